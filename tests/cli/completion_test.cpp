#include <catch2/catch.hpp>

#include "cli/project/subprocess.hpp"
#include "cli/transcript.hpp"

using epic::cli_test::Transcript;

TEST_CASE("completions: the candidates without a project", "[cli]") {
  Transcript transcript("completions");
  transcript.run({"__complete", "--", "bu"});
  transcript.run({"__complete", "--", "new", "--"});
  transcript.run({"__complete", "--", "new", "--template", ""});
  transcript.run({"__complete", "--", "build", "--format="});
  transcript.run({"__complete", "--", "-o", "j"});
  transcript.run({"__complete", "--", "completions", ""});
  transcript.run({"__complete", "--", "build", "-C", ""});
  transcript.run({"__complete", "--", "nothing", "like", "it"});
  transcript.run({"__complete", "--"});
  transcript.check();
}

namespace {

// Loads the shell's script and prints what it offers for `epic bu`.
std::string offered_by(const std::string& shell, const std::string& script) {
  const auto end = epic::cli::run_subprocess({.program = shell, .arguments = {"-c", script}});
  REQUIRE(end);
  INFO(end->err);
  CHECK(end->exit_code == 0);
  return end->out;
}

const std::string kOnPath = "export PATH=\"$(dirname " EPIC_BINARY "):$PATH\"; ";

}  // namespace

TEST_CASE("completions: bash loads the script and offers a command", "[cli]") {
  const std::string script =
      kOnPath +
      "source <(epic completions bash); COMP_LINE='epic bu'; COMP_POINT=7; COMP_WORDS=(epic bu); "
      "COMP_CWORD=1; _epic; printf '%s\\n' \"${COMPREPLY[@]}\"";
  CHECK(offered_by("bash", script) == "build\n");
}

TEST_CASE("completions: bash joins words that it has split at '='", "[cli]") {
  const std::string script =
      kOnPath +
      "source <(epic completions bash); COMP_LINE='epic help --format=jsonl'; COMP_POINT=24; "
      "COMP_WORDS=(epic help --format = jsonl); COMP_CWORD=4; _epic; printf '%s\\n' \"${COMPREPLY[@]}\"";
  CHECK(offered_by("bash", script) == "jsonl\n");
}

TEST_CASE("completions: bash is offered nothing that would end open quotes, or run in them", "[cli]") {
  const std::string script = kOnPath + R"(source <(epic completions bash)
epic() { printf '%s\n' "T/it's" 'T/$(x)' 'T/`x`' 'T/a"b' 'T/a\b' 'T/a!b' $'T/a\eb' 'T/ok'; }
for word in "'T/" '"T/' "T/'" 'T/\\"' "T/\'"; do
  COMP_WORDS=(epic inspect "$word"); COMP_LINE="epic inspect $word"; COMP_POINT=${#COMP_LINE}; COMP_CWORD=2
  _epic
  echo "${#COMPREPLY[@]} ${COMPREPLY[@]: -1}"
done)";
  CHECK(offered_by("bash", script) == "1 T/ok\n1 T/ok\n1 T/ok\n1 T/ok\n8 T/ok\n");
}

TEST_CASE("completions: fish loads the script and offers a command", "[cli]") {
  if (epic::cli::find_program("fish").empty()) return;  // not among the packages that epic needs
  const std::string script =
      "set -x PATH (dirname " EPIC_BINARY ") $PATH; epic completions fish | source; complete --do-complete 'epic bu'";
  CHECK(offered_by("fish", script) == "build\tBuild the project's module and its clients\n");
}

TEST_CASE("completions: zsh loads the script without errors", "[cli]") {
  if (epic::cli::find_program("zsh").empty()) return;  // not among the packages that epic needs
  CHECK(offered_by(
            "zsh",
            kOnPath + "autoload -U compinit && compinit -u -D; source <(epic completions zsh); print $_comps[epic]") ==
        "_epic\n");
}
