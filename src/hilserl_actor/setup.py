from glob import glob

from setuptools import find_packages, setup

package_name = 'hilserl_actor'
# What `./cell VERB` and `ros2 run` find: the module of each verb.
verbs = {
    'train': 'hilserl_actor.verb.train',
    'record': 'hilserl_actor.verb.record',
    'eval': 'hilserl_actor.verb.eval',
    'preflight': 'hilserl_actor.verb.preflight',
    'act': 'hilserl_actor.verb.act',
    'learn': 'hilserl_actor.verb.learn',
    'secure': 'hilserl_actor.verb.secure',
    'operator': 'hilserl_actor.verb.operator',
    'task': 'hilserl_actor.verb.task',
}

setup(
    name=package_name,
    version='0.2.0',
    packages=find_packages(exclude=['test']),
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + package_name]),
        ('share/' + package_name, ['package.xml']),
        ('share/' + package_name + '/launch', glob('launch/*.launch.py')),
        ('share/' + package_name + '/config', glob('config/*')),
    ],
    install_requires=['setuptools'],
    zip_safe=True,
    maintainer='SO-101 HIL-SERL maintainers',
    maintainer_email='so101-hilserl@users.noreply.github.com',
    description='The control loop of the SO-101 HIL-SERL cell: modes, episodes, intervention, '
    'bring-up.',
    license='Apache-2.0',
    extras_require={'test': ['pytest']},
    entry_points={
        # The options of this package's nodes, for bring-up.
        'so101_node': [
            'actor = hilserl_actor.options:ActorOptions',
            'operator = hilserl_actor.options:OperatorOptions',
        ],
        'console_scripts': [
            'actor = hilserl_actor.entry_points:actor',
            'operator = hilserl_actor.entry_points:operator',
            'plan = hilserl_actor.bringup.launch_plan:main',  # for the launch files
            # `ros2 run hilserl_actor operator` is the node, which `./cell operator` starts.
            *(f'{verb} = so101_node.verb:script' for verb in verbs if verb != 'operator'),
        ],
        'so101_verb': [f'{verb} = {module}' for verb, module in verbs.items()],
    },
)
