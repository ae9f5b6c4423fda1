#include "cluster/supervisor/project_lock.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <optional>

#include "support/store_fixtures.hpp"

using namespace epic::cluster;

TEST_CASE("project lock: a second process gets the pid of the holder", "[cluster]") {
  const epic::storage::test::TempDir directory;
  const auto path = directory.path() / "lock";
  std::optional<ProjectLock> first;
  {
    auto taken = ProjectLock::try_take(path);
    REQUIRE(taken.has_value());
    first.emplace(std::move(*taken));
  }
  const auto second = ProjectLock::try_take(path);
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error().message ==
        "The fabric of this project is already running (pid " + std::to_string(::getpid()) + ").");
  CHECK_FALSE(ProjectLock::try_take_to_tidy(path).has_value());

  first.reset();
  CHECK_FALSE(std::filesystem::exists(path));
  CHECK(ProjectLock::try_take(path).has_value());
}

TEST_CASE("project lock: a file left behind by a dead holder does not block", "[cluster]") {
  const epic::storage::test::TempDir directory;
  const auto path = directory.path() / "lock";
  std::ofstream(path) << "4194999\n";
  CHECK(ProjectLock::try_take(path).has_value());
  CHECK_FALSE(ProjectLock::try_take_to_tidy(path).has_value());  // there is nothing to tidy
}

TEST_CASE("project lock: a missing directory is named in the error", "[cluster]") {
  const auto lock = ProjectLock::try_take("/nowhere/at/all/lock");
  REQUIRE_FALSE(lock.has_value());
  CHECK(lock.error().message == "Cannot open '/nowhere/at/all': No such file or directory.");
}

TEST_CASE("project lock: deleting the lock file does not let a second supervisor in", "[cluster]") {
  const epic::storage::test::TempDir directory;
  const auto path = directory.path() / "lock";
  const auto first = ProjectLock::try_take(path);
  REQUIRE(first.has_value());
  std::filesystem::remove(path);
  CHECK_FALSE(ProjectLock::try_take(path).has_value());
}

TEST_CASE("project lock: a holder whose directory was replaced removes nothing of the new one", "[cluster]") {
  const epic::storage::test::TempDir root;
  const auto directory = root.path() / ".epic";
  std::filesystem::create_directory(directory);
  std::optional<ProjectLock> first;
  {
    auto taken = ProjectLock::try_take(directory / "lock");
    REQUIRE(taken.has_value());
    first.emplace(std::move(*taken));
  }
  std::filesystem::rename(directory, root.path() / "moved");
  std::filesystem::create_directory(directory);
  const auto second = ProjectLock::try_take(directory / "lock");
  REQUIRE(second.has_value());
  first.reset();
  CHECK(std::filesystem::exists(directory / "lock"));
  CHECK_FALSE(std::filesystem::exists(root.path() / "moved" / "lock"));
}
