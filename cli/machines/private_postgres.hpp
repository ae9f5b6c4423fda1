#pragma once
// PrivatePostgres: a PostgreSQL server of one project, from Debian's package, with its data below `.epic`.
//
// It takes connections from its own directory, which is this user's alone, and from a private network. PostgreSQL
// refuses to run as root, so it runs in a user namespace in which it is another user.

#include <boost/asio/io_context.hpp>
#include <boost/process/v2/process.hpp>
#include <filesystem>
#include <string>

#include "cli/output/failure.hpp"

namespace epic::cli {

struct PostgresPlace {
  std::filesystem::path directory;     // absolute; made if it does not exist
  std::filesystem::path network = {};  // the namespace that it listens in; empty: it listens nowhere
  std::string address = {};            // where, there
  std::string clients = {};            // the addresses from which it takes connections
};

class PrivatePostgres {
 public:
  /// Waits until it accepts connections, which takes seconds the first time.
  [[nodiscard]] static Result<PrivatePostgres> start(boost::asio::io_context& context, const PostgresPlace& place);

  /// As epic.toml has it; from this computer, or from the private network.
  [[nodiscard]] static std::string local_url(const std::filesystem::path& directory);
  [[nodiscard]] static std::string network_url(const std::string& address);

  [[nodiscard]] boost::process::v2::process& process() { return process_; }
  /// In order. Its end is to be waited for.
  void stop();

 private:
  explicit PrivatePostgres(boost::process::v2::process process) : process_(std::move(process)) {}

  boost::process::v2::process process_;
};

}  // namespace epic::cli
