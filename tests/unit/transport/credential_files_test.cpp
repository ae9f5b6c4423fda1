#include "transport/credential_files.hpp"

#include <unistd.h>

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
  CHECK_THAT(files.get().error(), Contains(path.string()) && Contains("the secret has 5 bytes; it needs 20 at least"));
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

TEST_CASE("credential files: a key that others may read is refused, with what to do", "[transport]") {
  const epic::test::TempDir directory;
  epic::test::Authority authority(directory.path());
  const Certificates issued = authority.issue("machine", std::chrono::hours(1));
  const auto refusal = [&] {
    const auto read = CredentialFiles({.secret_file = {}, .certificates = issued}).get();
    return read ? std::string("it was read") : read.error();
  };
  fs::permissions(issued.key, fs::perms::owner_read | fs::perms::others_read);
  CHECK_THAT(refusal(), Contains("Others may read the key file " + issued.key.string()) &&
                            Contains("chmod 600 " + issued.key.string()));
  fs::permissions(issued.key, fs::perms::owner_read);
  CHECK(refusal() == "it was read");
  if (::geteuid() != 0) return;
  REQUIRE(::chown(issued.key.c_str(), 65'534, 0) == 0);
  CHECK_THAT(refusal(), Contains("belongs to another user"));
}

TEST_CASE("credential files: a missing file is named, with the reason", "[transport]") {
  const epic::test::TempDir directory;
  epic::test::Authority authority(directory.path());
  const Certificates issued = authority.issue("machine", std::chrono::hours(1));
  for (const fs::path& missing : {issued.authority, issued.certificate, issued.key}) {
    fs::rename(missing, directory.path() / "away");
    CHECK_THAT(CredentialFiles({.secret_file = {}, .certificates = issued}).get().error(),
               Contains(missing.string()) && Contains(": No such file or directory."));
    fs::rename(directory.path() / "away", missing);
  }
}

TEST_CASE("credential files: who listens needs a certificate that its own authority accepts", "[transport]") {
  const epic::test::TempDir directory;
  epic::test::Authority authority(directory.path());
  epic::test::Authority others(directory.path(), "others");
  const auto check = [](const Certificates& certificates) {
    const auto checked = check_for_listening({.secret_file = {}, .certificates = certificates});
    return checked ? std::string("it can be used") : checked.error();
  };
  CHECK(check(authority.issue("machine", std::chrono::hours(1))) == "it can be used");
  const Certificates expired = authority.issue("expired", std::chrono::hours(-1));
  CHECK_THAT(check(expired), Contains(expired.certificate.string()) && Contains("certificate has expired"));
  Certificates strange = others.issue("strange", std::chrono::hours(1));
  strange.authority = expired.authority;
  CHECK_THAT(check(strange), Contains(strange.certificate.string()) && Contains("unable to get local issuer"));
  const fs::path secret = directory.path() / "secret";
  write_secret(secret, "a secret of twenty bytes\n");
  CHECK(check_for_listening({.secret_file = secret}).has_value());
}
