#include "cli/completion/completion.hpp"

#include <catch2/catch.hpp>

#include "cli/commands/table.hpp"

using namespace epic::cli;

namespace {

class FixedNames final : public NameSource {
 public:
  std::vector<std::string> types() override { return {"Player", "Barrel"}; }
  std::vector<std::string> entities(std::string_view) override { return {"Player/Bob", "Player/Bea"}; }
  std::vector<std::string> methods(std::string_view type) override {
    return type == "Player" ? std::vector<std::string>{"get_score", "enter_level"} : std::vector<std::string>{};
  }
  std::vector<std::string> nodes() override { return {"node-1", "node-2"}; }
  std::vector<std::string> templates() override { return {"hello", "game"}; }
  std::vector<std::string> tests() override { return {"barrel: explodes", "player: shoots"}; }
  std::vector<std::string> scenarios() override { return {"match: is played once"}; }
  std::vector<std::string> settings() override { return {"connect", "connection.prod", "connection.prod.secret_file"}; }
  std::vector<std::string> connections() override { return {"prod", "test"}; }
};

std::vector<std::string> offered(const std::vector<std::string>& words) {
  FixedNames names;
  std::vector<std::string> out;
  for (const Candidate& candidate : complete(command_table(), words, names).candidates) out.push_back(candidate.word);
  return out;
}

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("completion: commands, also after flags with values", "[cli]") {
  CHECK(offered({"bu"}) == Words{"build"});
  CHECK(offered({"-o", "json", "bu"}) == Words{"build"});
  CHECK(offered({"add", ""}) == Words{"entity"});
}

TEST_CASE("completion: values of flags, apart and after '='", "[cli]") {
  CHECK(offered({"new", "--template", ""}) == Words{"game", "hello"});
  CHECK(offered({"new", "--template=g"}) == Words{"--template=game"});
  CHECK(offered({"--color", "a"}) == Words{"always", "auto"});
}

TEST_CASE("completion: the tests of the last build", "[cli]") {
  CHECK(offered({"test", "b"}) == Words{"barrel: explodes"});
  CHECK(offered({"simulate", ""}) == Words{"match: is played once"});
}

TEST_CASE("completion: paths are left to the shell", "[cli]") {
  FixedNames names;
  CHECK(complete(command_table(), {"-C", ""}, names).paths == Completion::Paths::directories);
  CHECK(complete(command_table(), {"new", "--template", "../g"}, names).paths == Completion::Paths::directories);
  CHECK(complete(command_table(), {"new", "--template", "g"}, names).paths == Completion::Paths::none);
  CHECK(complete(command_table(), {"add", "entity", "Barrel", "--module", ""}, names).paths ==
        Completion::Paths::files);
}

TEST_CASE("completion: a flag is not offered twice", "[cli]") {
  CHECK(offered({"build", "--d"}) == Words{"--debug"});
  CHECK(offered({"build", "--debug", "--d"}).empty());
}
