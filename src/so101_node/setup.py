from setuptools import find_packages, setup

package_name = 'so101_node'

setup(
    name=package_name,
    version='0.2.0',
    packages=find_packages(exclude=['test']),
    package_data={package_name: ['*.xml']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + package_name]),
        ('share/' + package_name, ['package.xml']),
    ],
    install_requires=['setuptools'],
    zip_safe=True,
    maintainer='SO-101 HIL-SERL maintainers',
    maintainer_email='so101-hilserl@users.noreply.github.com',
    description='Node base of the suite: start and end of a node, options, names, QoS, errors.',
    license='Apache-2.0',
    extras_require={'test': ['pytest']},
)
