from setuptools import find_packages, setup

package_name = 'hilserl_console'
# What `./cell VERB` and `ros2 run` find: the module of each verb.
verbs = {'console': 'hilserl_console.verb.console'}

setup(
    name=package_name,
    version='0.2.0',
    packages=find_packages(exclude=['test']),
    package_data={package_name: ['page/*', 'archive_page/*']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + package_name]),
        ('share/' + package_name, ['package.xml']),
    ],
    install_requires=['setuptools'],
    zip_safe=False,
    maintainer='SO-101 HIL-SERL maintainers',
    maintainer_email='so101-hilserl@users.noreply.github.com',
    description='A page in the browser that shows a cell, has its keys, and moves its leader.',
    license='Apache-2.0',
    extras_require={'test': ['pytest']},
    entry_points={
        # The options of this package's nodes, for bring-up.
        'so101_node': ['console = hilserl_console.options:ConsoleOptions'],
        # `ros2 run hilserl_console console` is the node; `./cell console` shows finished runs.
        'console_scripts': ['console = hilserl_console.entry_points:console'],
        'so101_verb': [f'{verb} = {module}' for verb, module in verbs.items()],
    },
)
