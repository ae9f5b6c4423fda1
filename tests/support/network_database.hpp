#pragma once
// NetworkDatabase: a database that machines of a MachineNetwork reach at an address of their host.

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "support/postgres_server.hpp"
#include "support/temp_dir.hpp"

namespace epic::test {

class NetworkDatabase {
 public:
  /// `host`: the address to listen at.
  explicit NetworkDatabase(const std::string& host)
      : server_({"listen_addresses=" + host, "hba_file=" + write_hba().string()}), url_(make_url(host)) {}

  [[nodiscard]] const std::string& url() const { return url_; }

 private:
  [[nodiscard]] std::filesystem::path write_hba() const {
    using std::filesystem::perms;
    const std::filesystem::path path = directory_.path() / "hba";
    std::ofstream(path) << "local all all trust\nhost all all 10.0.0.0/8 trust\n";
    std::filesystem::permissions(directory_.path(), perms::owner_all | perms::others_exec | perms::group_exec);
    return path;
  }
  [[nodiscard]] std::string make_url(const std::string& host) {
    const std::string local = server_.make_database();
    const std::size_t database = local.find('/', local.find('@'));
    return fmt::format("postgresql://{}@{}{}", PostgresServer::kRole, host,
                       local.substr(database, local.find('?') - database));
  }

  TempDir directory_;
  PostgresServer server_;
  std::string url_;
};

}  // namespace epic::test
