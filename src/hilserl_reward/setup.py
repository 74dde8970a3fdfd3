from setuptools import find_packages, setup

package_name = 'hilserl_reward'
# What `./cell VERB` and `ros2 run` find: the module of each verb.
verbs = {'reward': 'hilserl_reward.verb.reward'}

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
    description='A success detector, trained from labelled episodes, that gives the reward.',
    license='Apache-2.0',
    extras_require={'test': ['pytest']},
    entry_points={
        # The options of this package's nodes, for bring-up.
        'so101_node': ['success_detector = hilserl_reward.options:DetectorOptions'],
        'console_scripts': [
            'success_detector = hilserl_reward.entry_points:success_detector',
            *(f'{verb} = so101_node.verb:script' for verb in verbs),
        ],
        'so101_verb': [f'{verb} = {module}' for verb, module in verbs.items()],
    },
)
