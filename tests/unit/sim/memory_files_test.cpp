#include "sim/memory_files.hpp"

#include <catch2/catch.hpp>
#include <filesystem>

#include "cluster/sim/disk.hpp"
#include "kernel/limits.hpp"

using namespace std::chrono_literals;
using epic::sim::MemoryFiles;
namespace simulated = epic::cluster::sim;

namespace {

/// What the function throws, or no error.
template <class Function>
std::error_code file_error_of(Function&& function) {
  try {
    function();
    return {};
  } catch (const std::filesystem::filesystem_error& error) {
    return error.code();
  }
}

}  // namespace

TEST_CASE("memory files: they behave as those on a disk", "[sim]") {
  MemoryFiles files;
  files.write("a/b.txt", "one");
  files.append("a/b.txt", " two");
  CHECK(files.read("a/b.txt") == "one two");
  CHECK(file_error_of([&] { files.read("a/c.txt"); }) == std::errc::no_such_file_or_directory);
  CHECK(file_error_of([&] { files.read("a"); }) == std::errc::is_a_directory);
  CHECK(file_error_of([&] { files.write("a/b.txt/c", "x"); }) == std::errc::not_a_directory);
  CHECK(files.remove("a/b.txt"));
  CHECK_FALSE(files.remove("a/b.txt"));
  CHECK(file_error_of([&] { files.write("a", "x"); }) == std::errc::is_a_directory);  // the folder stays
  CHECK_FALSE(files.remove("no/such/folder"));
  files.write("no", "x");  // to look for something makes no folders
  files.put("large", std::string(epic::kernel::limits::kFileBytesMax, 'x'));
  CHECK(files.read("large").size() == epic::kernel::limits::kFileBytesMax);
  files.append("large", "x");
  CHECK(file_error_of([&] { files.read("large"); }) == std::errc::file_too_large);
}

TEST_CASE("memory files: those of a simulated disk meet its faults", "[sim]") {
  simulated::World world(1, 0ns);
  simulated::Disk disk(world, 8, {});
  disk.files().write("a", "one");
  disk.set_full(true);
  CHECK(file_error_of([&] { disk.files().write("a", "two"); }) == std::errc::no_space_on_device);
  CHECK(file_error_of([&] { disk.files().append("a", "two"); }) == std::errc::no_space_on_device);
  CHECK(disk.files().read("a") == "one");
  disk.files().put("b", "two");
  CHECK(disk.files().remove("b"));  // that needs no room
  disk.set_full(false);
  disk.set_failing(true);
  CHECK(file_error_of([&] { disk.files().read("a"); }) == std::errc::io_error);
  CHECK(disk.files().read("a") == "one");  // the fault was one
  disk.files().append("a", " two");
  disk.cut_power();
  CHECK(disk.files().read("a") == "one two");
}
