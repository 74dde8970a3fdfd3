from setuptools import find_packages, setup

package_name = 'hilserl_learner'
# What `./cell VERB` and `ros2 run` find: the module of each verb.
verbs = {
    'checkpoints': 'hilserl_learner.verb.checkpoints',
    'import': 'hilserl_learner.verb.import_bags',
    'import-policy': 'hilserl_learner.verb.import_policy',
    'label': 'hilserl_learner.verb.label',
    'report': 'hilserl_learner.verb.report',
    'watch': 'hilserl_learner.verb.watch',
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
    description='DrQ-v2 with prior data over a rosbag-backed replay, with checkpoints.',
    license='Apache-2.0',
    extras_require={'test': ['pytest']},
    entry_points={
        # The options of this package's nodes, for bring-up.
        'so101_node': [
            'learner = hilserl_learner.training.options:LearnerNodeOptions',
        ],
        'console_scripts': [
            'learner = hilserl_learner.entry_points:learner',
            *(f'{verb} = so101_node.verb:script' for verb in verbs),
        ],
        'so101_verb': [f'{verb} = {module}' for verb, module in verbs.items()],
    },
)
