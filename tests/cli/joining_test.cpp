// What a machine needs before others can reach it, or it others: what is missing or wrong is named, with exit code 2,
// so that systemd does not start it again.

#include <fmt/format.h>
#include <stdlib.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

#include "cli/transcript.hpp"
#include "support/certificates.hpp"
#include "transport/credential_files.hpp"

using Catch::Contains;
using epic::cli_test::Transcript;
namespace fs = std::filesystem;

namespace {

constexpr const char* kShared =
    "[project]\nname = \"arena\"\n"
    "[fabric]\nstore = \"postgresql://localhost/arena\"\ncoordination = \"postgresql\"\n[cluster]\n";

class Machine {
 public:
  Machine() {
    place_secret("secret");
    fs::create_directory(path("certificates"));
  }

  void place_secret(const std::string& name) {
    transcript.write(name, "the secret of the machines of this test\n");
    fs::permissions(path(name), fs::perms::owner_read | fs::perms::owner_write);
  }
  void place(const epic::transport::Certificates& issued) {
    const auto to = epic::transport::certificates_in(path("certificates"));
    fs::copy_file(issued.authority, to.authority, fs::copy_options::overwrite_existing);
    fs::copy_file(issued.certificate, to.certificate, fs::copy_options::overwrite_existing);
    fs::copy_file(issued.key, to.key, fs::copy_options::overwrite_existing);
  }
  /// `cluster`: the keys of [cluster].
  std::string refusal(const std::string& cluster, std::vector<std::string> words = {}) {
    transcript.write("epic.toml", kShared + cluster);
    words.insert(words.begin(), "run");
    const auto ended = transcript.run_quietly(std::move(words));
    CHECK(ended.exit_code == 2);
    return ended.err;
  }
  [[nodiscard]] fs::path path(const std::string& name) const { return transcript.directory() / name; }

  Transcript transcript{"unused"};
};

struct JoiningVariable {
  JoiningVariable(const char* its_name, const std::string& value) : name(its_name) { ::setenv(name, value.c_str(), 1); }
  ~JoiningVariable() { ::unsetenv(name); }
  const char* name;
};

}  // namespace

TEST_CASE("joining: what is typed comes before the environment, and that before epic.toml", "[cli]") {
  Machine machine;
  const std::string listed = "listen = \"127.0.0.1\"\n";
  const std::string by_secret = listed + "secret_file = \"none\"\n";

  const std::string missing_secret = machine.path("none").string();
  CHECK_THAT(machine.refusal(by_secret), Contains(missing_secret));
  CHECK_THAT(machine.refusal(by_secret, {"--certificates", "certificates"}),
             Contains(machine.path("certificates").string()));
  {
    const JoiningVariable certificates("EPIC_CERTIFICATES", "certificates");
    CHECK_THAT(machine.refusal(by_secret), Contains(machine.path("certificates").string()));
    CHECK_THAT(machine.refusal(listed, {"--secret-file", "none"}), Contains(missing_secret));
  }
  const JoiningVariable secret("EPIC_SECRET_FILE", "secret");
  CHECK_THAT(machine.refusal(listed, {"--certificates", "certificates"}),
             Contains(machine.path("certificates").string()));
}

TEST_CASE("joining: a secret and certificates from the same place exclude each other", "[cli]") {
  Machine machine;
  CHECK_THAT(machine.refusal("secret_file = \"secret\"\ncertificates = \"certificates\"\n"),
             Contains("secret_file and certificates in [cluster] of " + machine.path("epic.toml").string() +
                      " exclude each other"));
  CHECK_THAT(machine.refusal("", {"--secret-file", "secret", "--certificates", "certificates"}),
             Contains("--secret-file and --certificates exclude each other"));
  const JoiningVariable secret("EPIC_SECRET_FILE", "secret");
  const JoiningVariable certificates("EPIC_CERTIFICATES", "certificates");
  CHECK_THAT(machine.refusal(""), Contains("EPIC_SECRET_FILE and EPIC_CERTIFICATES exclude each other"));

  auto& transcript = machine.transcript;
  const JoiningVariable home("XDG_CONFIG_HOME", machine.path("settings").string());
  transcript.write("settings/epic/config.toml",
                   "[connection.prod]\naddress = \"127.0.0.1:1\"\nsecret_file = \"/a\"\ncertificates = \"/b\"\n");
  ::unsetenv("EPIC_SECRET_FILE");
  ::unsetenv("EPIC_CERTIFICATES");
  const auto connected = transcript.run_quietly({"ps", "--connect", "prod"});
  CHECK(connected.exit_code == 2);
  CHECK_THAT(connected.err, Contains("secret_file and certificates in [connection.prod] of " +
                                     machine.path("settings/epic/config.toml").string() + " exclude each other"));
}

TEST_CASE("joining: a machine that listens needs credentials that others accept", "[cli]") {
  Machine machine;
  epic::test::Authority authority(machine.transcript.directory());
  epic::test::Authority others(machine.transcript.directory(), "others");
  const std::string certified = "listen = \"127.0.0.1\"\ncertificates = \"certificates\"\n";
  machine.place(authority.issue("expired", std::chrono::hours(-1)));
  CHECK_THAT(machine.refusal(certified), Contains("certificate has expired"));
  auto strange = others.issue("strange", std::chrono::hours(1));
  strange.authority = authority.issue("good", std::chrono::hours(1)).authority;
  machine.place(strange);
  CHECK_THAT(machine.refusal(certified), Contains("unable to get local issuer certificate"));
  machine.place(authority.issue("good", std::chrono::hours(1)));
  fs::permissions(machine.path("certificates/key.pem"), fs::perms::owner_read | fs::perms::group_write);
  CHECK_THAT(machine.refusal(certified), Contains("chmod 600 " + machine.path("certificates/key.pem").string()));

  machine.transcript.write("secret", "short\n");
  CHECK_THAT(machine.refusal("listen = \"127.0.0.1\"\nsecret_file = \"secret\"\n"),
             Contains(machine.path("secret").string()) && Contains("the secret has 5 bytes"));
  CHECK_THAT(machine.refusal("", {"--join", "127.0.0.1:1", "--secret-file", "secret"}), Contains("has an epic.toml"));
  fs::remove(machine.path("epic.toml"));
  const auto joined = machine.transcript.run_quietly({"run", "--join", "127.0.0.1:1", "--secret-file", "secret"});
  CHECK(joined.exit_code == 2);
  CHECK_THAT(joined.err, Contains("the secret has 5 bytes"));
}

TEST_CASE("joining: an address to listen at is refused with where it comes from", "[cli]") {
  Machine machine;
  const std::string secret = "secret_file = \"secret\"\n";
  CHECK_THAT(machine.refusal(secret + "listen = \"224.0.0.1\"\n"),
             Contains("[cluster] listen in " + machine.path("epic.toml").string() +
                      " '224.0.0.1': 224.0.0.1 is not an address that other machines can connect to"));
  CHECK_THAT(machine.refusal(secret, {"--listen", "192.0.2.1"}),
             Contains("--listen '192.0.2.1': 192.0.2.1 is not an address of this machine"));
  const JoiningVariable listen("EPIC_LISTEN", "127.0.0.1:x");
  CHECK_THAT(machine.refusal(secret), Contains("EPIC_LISTEN '127.0.0.1:x': its port must be a number from 0 to"));
}

TEST_CASE("joining: a beacon of a machine that does not listen has no effect, and a warning says so", "[cli]") {
  Transcript transcript("unused");
  transcript.write("epic.toml", std::string(kShared) + "beacon = true\n");
  CHECK_THAT(transcript.run_quietly({"run"}).err, Contains("[cluster] beacon has no effect"));
}

TEST_CASE("joining: a port of 0 is nothing to connect to", "[cli]") {
  Machine machine;
  auto& transcript = machine.transcript;
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"run", "--join", "127.0.0.1:0", "--secret-file", "secret"},
        std::vector<std::string>{"ps", "--connect", "127.0.0.1:0", "--secret-file", "secret"}}) {
    const auto refused = transcript.run_quietly(words);
    CHECK(refused.exit_code == 2);
    CHECK_THAT(refused.err, Contains("its port must be a number from 1 to"));
  }
}

TEST_CASE("joining: what needs the sources says where they are in the directory of a machine that has joined",
          "[cli]") {
  Transcript transcript("unused");
  transcript.write(".epic/joined", "10.0.0.1:7420\n");
  transcript.write(".epic/joined.toml", epic::cli_test::kManifest);
  fs::permissions(transcript.directory() / ".epic", fs::perms::owner_all);
  for (const char* command : {"build", "test"}) {
    const auto refused = transcript.run_quietly({command});
    CHECK(refused.exit_code == 2);
    CHECK_THAT(refused.err, Contains("has no sources: it has joined the fabric at 10.0.0.1:7420") &&
                                Contains("the module is built on the machine of the project"));
  }
}
