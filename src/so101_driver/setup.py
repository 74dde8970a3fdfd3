from setuptools import find_packages, setup

package_name = 'so101_driver'
# What `./cell VERB` and `ros2 run` find: the module of each verb.
verbs = {
    'calibrate': 'so101_driver.verb.calibrate',
    'find': 'so101_driver.verb.find',
    'motors': 'so101_driver.verb.motors',
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
    description='Driver of the two SO-101 arms on their Feetech buses, and of the wrist camera.',
    license='Apache-2.0',
    extras_require={'test': ['pytest']},
    entry_points={
        # The options of this package's nodes, for bring-up.
        'so101_node': [
            'driver = so101_driver.options:DriverOptions',
            'camera = so101_driver.camera_options:CameraOptions',
        ],
        'console_scripts': [
            'driver = so101_driver.entry_points:driver',
            'camera = so101_driver.entry_points:camera',
            *(f'{verb} = so101_node.verb:script' for verb in verbs),
        ],
        'so101_verb': [f'{verb} = {module}' for verb, module in verbs.items()],
    },
)
