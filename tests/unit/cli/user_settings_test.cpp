#include "cli/project/user_settings.hpp"

#include <catch2/catch.hpp>
#include <filesystem>

#include "support/temp_dir.hpp"

using namespace epic::cli;
namespace fs = std::filesystem;

namespace {

UserSettings with_prod() {
  UserSettings settings;
  CHECK(set_setting(settings, "connection.prod", "10.0.0.1:7420"));
  return settings;
}

std::string fault_of(const Result<void>& result) {
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ExitCode::usage);
  std::string text = result.error().what + "; " + result.error().why;
  for (const std::string& help : result.error().help) text += "; " + help;
  return text;
}

}  // namespace

TEST_CASE("user settings: what is set can be read, also from the file", "[cli]") {
  const epic::test::TempDir directory;
  const std::string authority = directory.path().string();
  UserSettings settings = with_prod();
  REQUIRE(set_setting(settings, "connection.prod.certificates", authority));
  REQUIRE(set_setting(settings, "connection.test", "test.example"));
  REQUIRE(set_setting(settings, "connect", "prod"));
  const auto read = parse_user_settings(print_user_settings(settings), "config.toml");
  REQUIRE(read);
  CHECK(*get_setting(*read, "connect") == "prod");
  CHECK(*get_setting(*read, "connection.prod") == "10.0.0.1:7420");
  CHECK(*get_setting(*read, "connection.prod.certificates") == authority);
  CHECK(get_setting(*read, "connection.prod.secret_file")->empty());
  CHECK(get_setting(*read, "connection.other")->empty());
  std::vector<std::string> keys;
  for (const SetSetting& one : list_set(*read)) keys.push_back(one.key);
  CHECK(keys ==
        std::vector<std::string>{"connect", "connection.prod", "connection.prod.certificates", "connection.test"});
}

TEST_CASE("user settings: an unknown key is refused with the nearest one, a bad value with what the key takes",
          "[cli]") {
  UserSettings settings = with_prod();
  CHECK_THAT(fault_of(set_setting(settings, "conect", "prod")),
             Catch::Contains("there is no setting \"conect\"") && Catch::Contains("did you mean connect?"));
  CHECK_THAT(fault_of(set_setting(settings, "connection.prod.secret_fil", "x")),
             Catch::Contains("did you mean connection.prod.secret_file?"));
  for (const char* key : {"connection.a/b", "connection.-q"})
    CHECK_THAT(fault_of(set_setting(settings, key, "10.0.0.1")), Catch::Contains("cannot be the name"));
  CHECK_THAT(fault_of(set_setting(settings, "connection.prod", "10.0.0.1:0")),
             Catch::Contains("its port must be a number from 1"));
  CHECK_THAT(fault_of(set_setting(settings, "connection.prod", "10.0.0.1:port")),
             Catch::Contains("takes HOST or HOST:PORT, not \"10.0.0.1:port\""));
  CHECK_THAT(fault_of(set_setting(settings, "connection.prod.secret_file", "/nothing/there")),
             Catch::Contains("/nothing/there is not a file"));
  CHECK_THAT(fault_of(set_setting(settings, "connection.other.secret_file", "/etc/passwd")),
             Catch::Contains("epic config set connection.other HOST:PORT"));
  CHECK_THAT(fault_of(set_setting(settings, "connect", "produ")), Catch::Contains("there is no connection \"produ\""));
}

TEST_CASE("user settings: a connection goes with what belongs to it", "[cli]") {
  UserSettings settings = with_prod();
  REQUIRE(set_setting(settings, "connection.prod.secret_file", EPIC_SOURCE_DIR "/README.md"));
  REQUIRE(set_setting(settings, "connect", "prod"));
  REQUIRE(unset_setting(settings, "connection.prod"));
  CHECK(list_set(settings).empty());
  const auto again = unset_setting(settings, "connection.prod");
  REQUIRE_FALSE(again);
  CHECK(again.error().what == "connection.prod is not set");
}

TEST_CASE("user settings: a file that is not valid is refused with its line", "[cli]") {
  const auto what = [](const char* text) {
    const auto read = parse_user_settings(text, "/home/ann/config.toml");
    REQUIRE_FALSE(read);
    return read.error().what;
  };
  CHECK_THAT(what("connect = "), Catch::StartsWith("/home/ann/config.toml:1: this is not valid TOML"));
  CHECK(what("connect = 1") == "/home/ann/config.toml:1: connect must be a text");
  CHECK(what("\ncolour = \"red\"") == "/home/ann/config.toml:2: the file has no \"colour\"");
  CHECK(what("[connection.prod]\nadress = \"a\"") == "/home/ann/config.toml:2: [connection.prod] has no \"adress\"");
  CHECK_THAT(what("connection = 3"),
             Catch::StartsWith("/home/ann/config.toml:1: connection must be a table: write [connection.NAME]"));
  CHECK(what("[connection]\nprod = \"a\"") ==
        "/home/ann/config.toml:2: \"prod\" is a section: write [connection.prod]");
}
