from setuptools import find_packages, setup

package_name = 'so101_sim'

setup(
    name=package_name,
    version='0.2.0',
    packages=find_packages(exclude=['test']),
    package_data={package_name: ['calibration/*.json', 'scene/*.xml']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + package_name]),
        ('share/' + package_name, ['package.xml']),
        (
            'share/' + package_name + '/calibration',
            ['so101_sim/calibration/follower.json', 'so101_sim/calibration/leader.json'],
        ),
    ],
    install_requires=['setuptools'],
    zip_safe=False,
    maintainer='SO-101 HIL-SERL maintainers',
    maintainer_email='so101-hilserl@users.noreply.github.com',
    description='A cell without hardware: MuJoCo world, emulated servo buses, rendered camera, '
    'scripted operator.',
    license='Apache-2.0',
    extras_require={'test': ['pytest']},
    entry_points={
        # The options of this package's nodes, for bring-up.
        'so101_node': [
            'world = so101_sim.options:WorldOptions',
            'scripted_operator = so101_sim.options:ScriptedOperatorOptions',
            'virtual_leader = so101_sim.options:VirtualLeaderOptions',
        ],
        'console_scripts': [
            'world = so101_sim.entry_points:world',
            'scripted_operator = so101_sim.entry_points:scripted_operator',
            'virtual_leader = so101_sim.entry_points:virtual_leader',
        ],
    },
)
