# bash completion for epic. The logic is in the binary: this script calls `epic __complete` and shows its answer.

_epic() {
  # bash splits words at ':' and '='; keys and flags contain both, so the pieces are joined again.
  local -a words=()
  local i line="${COMP_LINE:0:COMP_POINT}" word glue=""
  for ((i = 1; i <= COMP_CWORD; i++)); do
    word="${COMP_WORDS[i]}"
    line="${line#*"${COMP_WORDS[i-1]}"}"
    if ((i > 1)) && [[ -n $line && $line != [[:space:]]* ]] && [[ $word == [:=]* || ${COMP_WORDS[i-1]} == *[:=] ]]; then
      words[${#words[@]}-1]+="$word"
    else
      words+=("$word")
    fi
  done
  local current="${words[${#words[@]}-1]}"
  # Quotes and backslashes in the current word are removed before it is compared.
  local plain="${current#[\"\']}"
  plain="${plain//\\/}"
  words[${#words[@]}-1]="$plain"
  local bare="${current//\\\\/}"
  bare="${bare//\\[\'\"]/}"  # has a quote if one may be open
  glue="${current%"${current##*[:=]}"}"

  local answer candidate
  COMPREPLY=()
  while IFS= read -r answer; do
    case "$answer" in
      :files) compopt -o default 2>/dev/null; return ;;
      :directories) compopt -o dirnames 2>/dev/null; return ;;
    esac
    candidate="${answer%%$'\t'*}"
    if [[ $bare == *[\'\"]* ]]; then  # bash inserts it as it is: not what would end the quotes, or run in them
      [[ $candidate == *[\'\"\$\`\\\![:cntrl:]]* ]] && continue
    else
      printf -v candidate '%q' "$candidate"
      [[ -n $glue ]] && candidate="${candidate#"$glue"}"
    fi
    [[ $candidate == */ ]] && compopt -o nospace 2>/dev/null
    COMPREPLY+=("$candidate")
  done < <(epic __complete -- "${words[@]}" 2>/dev/null)
}

complete -F _epic epic
