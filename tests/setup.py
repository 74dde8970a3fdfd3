from setuptools import find_packages, setup

package_name = 'hilserl_tests'
# What `./cell VERB` and `ros2 run` find: the module of each verb.
verbs = {
    'bench': 'hilserl_tests.verb.bench',
    'docs': 'hilserl_tests.verb.docs',
    'lint': 'hilserl_tests.verb.lint',
    'test': 'hilserl_tests.verb.test',
}

setup(
    name=package_name,
    version='0.2.0',
    packages=find_packages(exclude=['test']),
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + package_name]),
        ('share/' + package_name, ['package.xml']),
    ],
    install_requires=['setuptools'],
    zip_safe=True,
    maintainer='SO-101 HIL-SERL maintainers',
    maintainer_email='so101-hilserl@users.noreply.github.com',
    description='Tests of the whole SO-101 HIL-SERL cell: the real graph, and what comes out of '
    'it.',
    license='Apache-2.0',
    extras_require={'test': ['pytest']},
    entry_points={
        'console_scripts': [
            *(f'{verb} = so101_node.verb:script' for verb in verbs),
        ],
        'so101_verb': [f'{verb} = {module}' for verb, module in verbs.items()],
    },
)
