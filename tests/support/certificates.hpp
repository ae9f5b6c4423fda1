#pragma once
// Certificates for tests: an authority of the test's own, and certificates that it issues, as PEM files.

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "transport/tls.hpp"

namespace epic::test {

class Authority {
 public:
  explicit Authority(std::filesystem::path directory, const std::string& name = "authority");
  ~Authority();

  /// Valid from an hour ago, or an hour before that end, whichever is earlier, until `valid_for` from now.
  [[nodiscard]] transport::Certificates issue(const std::string& name, std::chrono::seconds valid_for);

 private:
  struct Impl;
  std::filesystem::path directory_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace epic::test
