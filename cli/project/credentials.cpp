#include "cli/project/credentials.hpp"

#include <fmt/format.h>

#include <expected>
#include <optional>
#include <utility>

namespace epic::cli {
namespace fs = std::filesystem;
namespace {

Result<void> refused(std::string sentence) {
  while (sentence.ends_with('.')) sentence.pop_back();
  return fail({.code = ExitCode::usage, .what = std::move(sentence)});
}

}  // namespace

Result<transport::CredentialPlace> choose_credentials(const Arguments& arguments, const SavedCredentials& saved) {
  const auto given = [&](std::string_view option, bool is_typed) -> fs::path {
    const auto value = arguments.value(option);
    return value && !value->empty() && arguments.is_typed(option) == is_typed ? fs::absolute(*value) : fs::path();
  };
  const auto kept = [&](const std::string& path) { return path.empty() ? fs::path() : saved.root / path; };
  struct Level {
    fs::path secret_file;
    fs::path certificates;
    std::string names;  // of both
  };
  const Level levels[] = {
      {given("secret-file", true), given("certificates", true), "--secret-file and --certificates"},
      {given("secret-file", false), given("certificates", false), "EPIC_SECRET_FILE and EPIC_CERTIFICATES"},
      {kept(saved.secret_file), kept(saved.certificates),
       fmt::format("secret_file and certificates in {}", saved.where)}};
  for (const Level& level : levels) {
    if (!level.secret_file.empty() && !level.certificates.empty())
      return fail({.code = ExitCode::usage,
                   .what = fmt::format("{} exclude each other", level.names),
                   .why = "machines prove by one of them that they belong together",
                   .help = {"leave one of them out"}});
    if (!level.secret_file.empty()) return transport::CredentialPlace{.secret_file = level.secret_file};
    if (!level.certificates.empty())
      return transport::CredentialPlace{.secret_file = {},
                                        .certificates = transport::certificates_in(level.certificates)};
  }
  return transport::CredentialPlace{};
}

Result<void> check_usable(const transport::CredentialPlace& place) {
  if (const auto usable = transport::CredentialFiles(place).get(); !usable) return refused(usable.error());
  return {};
}

Result<void> check_usable_for_listening(const transport::CredentialPlace& place) {
  if (const auto usable = transport::check_for_listening(place); !usable) return refused(usable.error());
  return {};
}

}  // namespace epic::cli
