#include "files/secret_file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "files/digest.hpp"
#include "support/temp_dir.hpp"

using Catch::Matchers::Contains;
using epic::files::read_secret_file;
using epic::test::TempDir;
namespace fs = std::filesystem;

namespace {

struct SecretFile {
  void write(std::string_view text, mode_t mode = 0600) const {
    std::ofstream(path, std::ios::trunc) << text;
    REQUIRE(::chmod(path.c_str(), mode) == 0);
  }
  [[nodiscard]] std::string refusal() const {
    const auto read = read_secret_file(path);
    return read ? "it was read" : read.error();
  }
  TempDir directory;
  fs::path path = directory.path() / "secret";
};

}  // namespace

TEST_CASE("secret file: it has one secret, or two with the newest first", "[files]") {
  const SecretFile file;
  file.write("one\n");
  CHECK(read_secret_file(file.path) == std::vector<std::string>{"one"});
  file.write("  new \r\n\nold", 0400);
  CHECK(read_secret_file(file.path) == std::vector<std::string>{"new", "old"});
}

TEST_CASE("secret file: one that others may read is refused, with what to do", "[files]") {
  const SecretFile file;
  file.write("one\n", 0604);
  CHECK_THAT(file.refusal(), Contains("Others may read the secret file " + file.path.string()) &&
                                 Contains("chmod 600 " + file.path.string()));
  file.write("one\n", 0620);
  CHECK_THAT(file.refusal(), Contains("Others may read"));
  if (::geteuid() != 0) return;
  file.write("one\n", 0640);  // root's, for a group
  CHECK(read_secret_file(file.path).has_value());
  REQUIRE(::chown(file.path.c_str(), 65'534, 0) == 0);
  CHECK_THAT(file.refusal(), Contains("belongs to another user"));
}

TEST_CASE("secret file: what is none is refused by its name", "[files]") {
  const SecretFile file;
  CHECK_THAT(file.refusal(), Contains(file.path.string() + ": No such file or directory."));
  file.write("\n \n");
  CHECK_THAT(file.refusal(), Contains("is empty") && Contains("openssl rand -hex 32 > " + file.path.string()));
  file.write("a\nb\nc\n");
  CHECK_THAT(file.refusal(), Contains("more than two lines"));
  file.write(std::string(5000, 'x'));
  CHECK_THAT(file.refusal(), Contains("larger than 4 KiB"));
  fs::remove(file.path);
  fs::create_directory(file.path);
  CHECK_THAT(file.refusal(), Contains("is not a regular file"));
}

TEST_CASE("digest: SHA-256 of a file's bytes", "[files]") {
  const SecretFile file;
  file.write("abc");
  CHECK(epic::files::digest_of(file.path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(epic::files::digest_of("/nowhere").error().message == "Cannot read /nowhere: No such file or directory.");
}
