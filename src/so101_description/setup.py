from glob import glob

from setuptools import find_packages, setup

package_name = 'so101_description'

setup(
    name=package_name,
    version='0.2.0',
    packages=find_packages(exclude=['test']),
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + package_name]),
        ('share/' + package_name, ['package.xml']),
        ('share/' + package_name + '/launch', ['launch/view.launch.py']),
        ('share/' + package_name + '/urdf', glob(package_name + '/urdf/*')),
        ('share/' + package_name + '/mjcf', [package_name + '/mjcf/so101.xml']),
        ('share/' + package_name + '/rviz', [package_name + '/rviz/so101.rviz']),
        ('share/' + package_name + '/foxglove', [package_name + '/foxglove/so101.json']),
    ],
    # model.py finds them beside itself, installed or not.
    package_data={package_name: ['urdf/so101.urdf', 'mjcf/so101.xml']},
    install_requires=['setuptools'],
    zip_safe=True,
    maintainer='SO-101 HIL-SERL maintainers',
    maintainer_email='so101-hilserl@users.noreply.github.com',
    description='The SO-101 arm: joints, URDF, MJCF, kinematics and the FK service.',
    license='Apache-2.0',
    extras_require={'test': ['pytest']},
    entry_points={
        # The options of this package's nodes, for bring-up.
        'so101_node': [
            'kinematics = so101_description.kinematics_config:KinematicsConfig',
        ],
        'console_scripts': [
            'kinematics = so101_description.entry_points:kinematics',
            'view = so101_description.entry_points:view',
        ],
    },
)
