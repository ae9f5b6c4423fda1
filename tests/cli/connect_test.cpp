// Commands that look at a fabric elsewhere, without its project.
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

#include "cli/stand_in.hpp"
#include "cli/transcript.hpp"

using epic::cli_test::answer;
using epic::cli_test::StandIn;
using epic::cli_test::stream;
using epic::cli_test::Transcript;
namespace fs = std::filesystem;

namespace {

constexpr const char* kPs =
    R"({"nodes":[{"node":"node-1","pid":101,"state":"ready","shards":64,"entities":1,"calls":0,"restarts":0,
        "resident_bytes":14000000,"uptime_ms":61000,"last_exit":null}],"supervisor":{"pid":100},"setup":"done"})";
constexpr const char* kSettings =
    "[project]\nname = \"arena\"\n[fabric]\nstore = \"postgresql://nobody@127.0.0.1:1/arena\"\n";

void write_secret(Transcript& transcript, const std::string& name, const std::string& secret) {
  transcript.write(name, secret + "\n");
  fs::permissions(transcript.directory() / name, fs::perms::owner_read | fs::perms::owner_write);
}

struct Elsewhere {
  explicit Elsewhere(const std::string& name, std::map<std::string, StandIn::Answer> answers = {{"ps", answer(kPs)}})
      : transcript(name),
        fabric((write_secret(transcript, "secret", "the secret of the fabric elsewhere"),
                StandIn::Elsewhere{transcript.directory() / "secret", kSettings}),
               std::move(answers)) {}
  /// `epic --connect …` outside of any project.
  epic::cli_test::Answer run(std::vector<std::string> words) {
    words.insert(words.begin(), {"--connect", fabric.address(), "--secret-file", "secret"});
    return transcript.run_quietly(std::move(words));
  }

  Transcript transcript;
  StandIn fabric;
};

/// A variable of the environment for as long as this lives.
struct Variable {
  Variable(const char* its_name, const std::string& value) : name(its_name) { ::setenv(name, value.c_str(), 1); }
  ~Variable() { ::unsetenv(name); }
  const char* name;
};

/// A port of 127.0.0.1 where nothing listens, as long as this lives.
struct IdlePort {
  IdlePort() {
    socklen_t size = sizeof address;
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(socket, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  }
  ~IdlePort() { ::close(socket); }
  [[nodiscard]] std::string text() const { return "127.0.0.1:" + std::to_string(ntohs(address.sin_port)); }
  int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
};

}  // namespace

TEST_CASE("connect: commands get the answers of a fabric elsewhere, options before or after their name", "[cli]") {
  Elsewhere elsewhere("unused", {{"ps", answer(kPs)},
                                 {"call", answer(R"({"result":7})")},
                                 {"ls", stream(R"([{"entity":"Player/Bob","state":"live"}])")}});
  CHECK(elsewhere.run({"ps"}).out == "node-1\t101\tready\t64\t1\t0\t0\t14000000\t61.000\t\t\n");
  CHECK(elsewhere.run({"call", "Player/Bob", "get_score"}).out == "7\n");
  const auto listed = elsewhere.transcript.run_quietly(
      {"ls", "Player", "--secret-file=secret", "--connect", elsewhere.fabric.address()});
  CHECK_THAT(listed.out, Catch::StartsWith("Player/Bob\t"));
  CHECK(elsewhere.fabric.requests().back().starts_with("ls "));
}

TEST_CASE("connect: the environment names the fabric, and the command line comes first", "[cli]") {
  Elsewhere elsewhere("unused");
  const Variable secret("EPIC_SECRET_FILE", (elsewhere.transcript.directory() / "secret").string());
  {
    const Variable connect("EPIC_CONNECT", elsewhere.fabric.address());
    CHECK(elsewhere.transcript.run_quietly({"ps"}).exit_code == 0);
    const auto here = elsewhere.transcript.run_quietly({"ps", "-C", "."});
    CHECK_THAT(here.err, Catch::Contains("this is not an epic project"));
    const auto build = elsewhere.transcript.run_quietly({"build"});
    CHECK_THAT(build.err, Catch::Contains("this is not an epic project"));
  }
  const Variable connect("EPIC_CONNECT", "nowhere.invalid:1");
  CHECK(elsewhere.transcript.run_quietly({"ps", "--connect", elsewhere.fabric.address()}).exit_code == 0);
}

TEST_CASE("connect: what goes wrong is one sentence, with the exit code of its kind", "[cli]") {
  Elsewhere elsewhere("unused");
  auto& transcript = elsewhere.transcript;
  write_secret(transcript, "other", "a secret that only others have");
  const IdlePort idle;
  const auto expect = [&](std::vector<std::string> words, int exit_code, const std::string& what) {
    const auto ended = transcript.run_quietly(std::move(words));
    CHECK(ended.exit_code == exit_code);
    CHECK(ended.out.empty());
    CHECK_THAT(ended.err, Catch::Contains(what));
  };
  const std::string address = elsewhere.fabric.address();
  expect({"ps", "--connect", idle.text(), "--secret-file", "secret"}, 3, "No fabric is running at " + idle.text());
  expect({"ps", "--connect", address, "--secret-file", "other"}, 4, "Cannot connect to the fabric at " + address);
  expect({"ps", "--connect", address}, 2, "needs its secret");
  expect({"ps", "--connect", address, "--secret-file", "none"}, 2, "none");
  expect({"ps", "--connect", "nowhere.invalid", "--secret-file", "secret"}, 4, "'nowhere.invalid' has no address");
  expect({"ps", "--connect", "a b"}, 2, "'a b' does not name a machine");
  expect({"ps", "--connect", address, "-C", "."}, 2, "--connect and --project exclude each other");
  expect({"call", "Player/Bob", "x", "--connect", address, "--secret-file", "secret"}, 2, "no such verb");
}

TEST_CASE("connect: commands that need the project refuse it in one sentence", "[cli]") {
  Transcript transcript("unused");
  for (const char* command : {"build", "new", "run", "test", "restart", "reshard", "backup", "restore", "doctor"}) {
    const auto refused = transcript.run_quietly({command, "--connect", "10.0.0.1:7420", "word"});
    CHECK(refused.exit_code == 2);
    CHECK_THAT(refused.err, Catch::Contains(std::string("'epic ") + command + "' does not work with --connect"));
  }
}

TEST_CASE("connect: names of the fabric elsewhere are completed", "[cli]") {
  Elsewhere elsewhere("unused",
                      {{"types", answer(R"({"types":[{"type":"Player","methods":[]}]})")}, {"ps", answer(kPs)}});
  const auto typed = [&](std::vector<std::string> words) {
    words.insert(words.begin(),
                 {"__complete", "--", "--connect", elsewhere.fabric.address(), "--secret-file", "secret"});
    std::string out;
    for (int tries = 0; out.empty() && tries < 20; ++tries)  // on a busy machine a completion gives up before it knows
      out = elsewhere.transcript.run_quietly(words).out;
    return out;
  };
  CHECK(typed({"inspect", "Pl"}) == "Player/\n");
  CHECK(typed({"kill", "no"}) == "node-1\n");
}

TEST_CASE("connect: a store that cannot be reached from here is named", "[cli]") {
  Elsewhere elsewhere("unused");
  const auto listed = elsewhere.run({"snapshot", "list"});
  CHECK(listed.exit_code != 0);
  CHECK_THAT(listed.err, Catch::Contains("127.0.0.1"));
}

TEST_CASE("connect: a saved connection is named, completed, and the default outside of projects", "[cli]") {
  Elsewhere elsewhere("unused");
  auto& transcript = elsewhere.transcript;
  const Variable home("XDG_CONFIG_HOME", (transcript.directory() / "settings").string());
  const auto run = [&](std::vector<std::string> words) {
    const auto ended = transcript.run_quietly(std::move(words));
    CHECK(ended.err.empty());
    CHECK(ended.exit_code == 0);
    return ended.out;
  };
  run({"config", "set", "connection.here", elsewhere.fabric.address()});
  run({"config", "set", "connection.here.secret_file", "secret"});
  CHECK_THAT(run({"ps", "--connect", "here"}), Catch::StartsWith("node-1\t"));
  CHECK(run({"__complete", "--", "ps", "--connect", "h"}) == "here\n");
  CHECK(run({"__complete", "--", "config", "get", "connection.here.s"}) == "connection.here.secret_file\n");
  CHECK_THAT(transcript.run_quietly({"ps"}).err, Catch::Contains("this is not an epic project"));
  run({"config", "set", "connect", "here"});
  CHECK_THAT(run({"ps"}), Catch::StartsWith("node-1\t"));
  CHECK_THAT(transcript.run_quietly({"ps", "-C", "."}).err, Catch::Contains("this is not an epic project"));
  transcript.write("arena/epic.toml", epic::cli_test::kManifest);
  CHECK_THAT(transcript.run_quietly({"ps"}, "arena").err, Catch::Contains("no fabric is running for"));

  const fs::path file = transcript.directory() / "settings" / "epic" / "config.toml";
  CHECK(fs::status(file).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
  CHECK(fs::status(file.parent_path()).permissions() == fs::perms::owner_all);
}

TEST_CASE("connect: the file of settings may be a link to one elsewhere, which stays a link", "[cli]") {
  Transcript transcript("unused");
  const Variable home("XDG_CONFIG_HOME", (transcript.directory() / "settings").string());
  transcript.write("dotfiles/config.toml", "[connection.prod]\naddress = \"10.0.0.1:7420\"\n");
  fs::create_directories(transcript.directory() / "settings/epic");
  const fs::path link = transcript.directory() / "settings/epic/config.toml";
  fs::create_symlink(transcript.directory() / "dotfiles/config.toml", link);
  CHECK(transcript.run_quietly({"config", "get", "connection.prod"}).out == "10.0.0.1:7420\n");
  CHECK(transcript.run_quietly({"config", "set", "connection.prod", "10.0.0.2:7420"}).exit_code == 0);
  CHECK(fs::is_symlink(link));
  CHECK_THAT(epic::cli_test::read_text(transcript.directory() / "dotfiles/config.toml"),
             Catch::Contains("10.0.0.2:7420"));
}

TEST_CASE("connect: what epic config prints, and what it refuses", "[cli]") {
  Transcript transcript("config");
  const Variable home("XDG_CONFIG_HOME", (transcript.directory() / "settings").string());
  write_secret(transcript, "secret", "the secret of the fabric elsewhere");
  transcript.run({"config", "list"});
  transcript.run({"config", "set", "connection.prod", "10.0.0.1:7420"});
  transcript.run({"config", "set", "connection.prod.secret_file", "secret"});
  transcript.run({"config", "set", "connect", "prod"});
  transcript.run({"config", "list"});
  transcript.run({"config", "list", "-o", "json"});
  transcript.run({"config", "get", "connection.prod"});
  transcript.run({"config", "get", "connection.test"});
  transcript.run({"config", "get", "conection.prod"});
  transcript.run({"config", "set", "connect", "test"});
  transcript.run({"config", "set", "connection.prod.secret_file", "none"});
  transcript.run({"config", "unset", "connection.prod"});
  transcript.run({"config", "list"});
  transcript.write("settings/epic/config.toml", "[connection.prod]\nadress = \"10.0.0.1\"\n");
  transcript.run({"config", "list"});
  transcript.check();
}
