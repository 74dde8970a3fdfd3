"""How Sphinx builds the site. `./cell docs` prepares the pages and runs it."""

project = 'SO-101 HIL-SERL'
author = 'SO-101 HIL-SERL maintainers'
extensions = ['myst_parser']
html_theme = 'furo'
html_title = project
html_show_sourcelink = False
html_copy_source = False
myst_heading_anchors = 4  # links to headings, as on GitHub
highlight_language = 'none'
