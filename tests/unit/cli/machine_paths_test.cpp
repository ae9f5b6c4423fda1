#include "cli/project/machine_paths.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "cluster/supervisor/project_lock.hpp"
#include "support/temp_dir.hpp"

using epic::cli::find_holder;
using epic::cluster::ProjectLock;

TEST_CASE("machine paths: the file of a lock names its holder, and nobody once that is gone", "[cli]") {
  const epic::test::TempDir directory;
  const auto file = directory.path() / "lock";
  CHECK_FALSE(find_holder(file));
  {
    const auto lock = ProjectLock::try_take(file);
    REQUIRE(lock);
    CHECK(find_holder(file) == ::getpid());
  }
  std::ofstream(file) << ::getpid() << "\n";  // as a process leaves it that is killed
  CHECK_FALSE(find_holder(file));
  CHECK_FALSE(find_holder(directory.path() / "none" / "lock"));
}
