from setuptools import find_packages, setup

package_name = 'hilserl_link'
# What `./cell VERB` and `ros2 run` find: the module of each verb.
verbs = {'secure-link': 'hilserl_link.verb.secure_link'}

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
    description='The link between the arm and a learner on another host: encrypted, and no step '
    'is lost.',
    license='Apache-2.0',
    extras_require={'test': ['pytest']},
    entry_points={
        # The options of this package's nodes, for bring-up.
        'so101_node': [
            'link_client = hilserl_link.options:LinkClientOptions',
            'link_server = hilserl_link.options:LinkServerOptions',
        ],
        'console_scripts': [
            'link_client = hilserl_link.entry_points:link_client',
            'link_server = hilserl_link.entry_points:link_server',
            *(f'{verb} = so101_node.verb:script' for verb in verbs),
        ],
        'so101_verb': [f'{verb} = {module}' for verb, module in verbs.items()],
    },
)
