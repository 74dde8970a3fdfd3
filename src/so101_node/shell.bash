# What `./cell shell` runs after the user's own .bashrc, which may put another Python first.
[[ -f ~/.bashrc ]] && source ~/.bashrc
export VIRTUAL_ENV=$CELL_ROOT/.venv
PATH=$VIRTUAL_ENV/bin:${PATH//"$VIRTUAL_ENV/bin:"/}
source "$CELL_ROOT/install/local_setup.bash"
hash -r
PS1="(cell) ${PS1:-\\w\\$ }"
