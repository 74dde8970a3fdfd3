from setuptools import find_packages, setup

package_name = 'hilserl_lerobot'
# What `./cell VERB` and `ros2 run` find: the module of each verb.
verbs = {
    'export': 'hilserl_lerobot.verb.export',
    'import-lerobot': 'hilserl_lerobot.verb.import_lerobot',
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
    description='LeRobot datasets in and out, and policies of LeRobot that drive.',
    license='Apache-2.0',
    extras_require={'test': ['pytest']},
    entry_points={
        # The options of this package's nodes, for bring-up.
        'so101_node': ['lerobot_policy = hilserl_lerobot.policy_options:LerobotPolicyOptions'],
        'console_scripts': [
            'lerobot_policy = hilserl_lerobot.entry_points:lerobot_policy',
            *(f'{verb} = so101_node.verb:script' for verb in verbs),
        ],
        'so101_verb': [f'{verb} = {module}' for verb, module in verbs.items()],
    },
)
