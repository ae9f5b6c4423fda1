#include "transport/credential_files.hpp"

#include <catch2/catch.hpp>
#include <fstream>

#include "support/certificates.hpp"
#include "support/temp_dir.hpp"

using namespace epic::transport;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

void write_secret(const fs::path& path, std::string_view text) {
  std::ofstream(path, std::ios::trunc) << text;
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
}

}  // namespace

TEST_CASE("credential files: a secret is read once, and again when its file has changed", "[transport]") {
  const epic::test::TempDir directory;
  const fs::path path = directory.path() / "secret";
  write_secret(path, "a secret of twenty bytes\n");
  CredentialFiles files({.secret_file = path});
  const auto first = files.get();
  REQUIRE(first);
  CHECK((*first)->offers() == 1);
  CHECK(files.get() == first);

  write_secret(path, "another secret of more bytes\na secret of twenty bytes\n");
  const auto second = files.get();
  REQUIRE(second);
  CHECK((*second)->offers() == 2);
  write_secret(path, "short\n");
  CHECK_THAT(files.get().error(), Contains("the secret has 5 bytes; it needs 20 at least"));
  fs::remove(path);
  CHECK_THAT(files.get().error(), Contains("Cannot read the secret file " + path.string()));
}

TEST_CASE("credential files: without a secret file there are certificates", "[transport]") {
  const epic::test::TempDir directory;
  epic::test::Authority authority(directory.path());
  CredentialFiles files({.secret_file = {}, .certificates = authority.issue("machine", std::chrono::hours(1))});
  CHECK(files.get().has_value());
  CHECK(CredentialFiles({}).get().error() == "There is neither a secret nor a certificate.");
}
