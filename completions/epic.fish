# fish completion for epic. The logic is in the binary: this script calls `epic __complete` and shows its answer.

function __epic_complete
    set -l words (commandline --tokenize --cut-at-cursor --current-process)
    set -l current (commandline --current-token --cut-at-cursor | string unescape)
    test (count $current) -eq 0; and set current ''
    for answer in (epic __complete -- $words[2..-1] "$current" 2>/dev/null)
        switch $answer
            case ':files'
                __fish_complete_path "$current"
            case ':directories'
                __fish_complete_directories "$current"
            case '*'
                echo $answer
        end
    end
end

complete --command epic --no-files --arguments '(__epic_complete)'
