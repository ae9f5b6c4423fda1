#include "sim/memory_files.hpp"

#include <catch2/catch.hpp>
#include <filesystem>

#include "cluster/sim/disk.hpp"
#include "epic/file.hpp"
#include "kernel/limits.hpp"

using namespace std::chrono_literals;
using epic::FileMode;
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
  simulated::Disk disk(world, epic::kernel::ungrouped(8), {});
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

TEST_CASE("memory files: an open one behaves as those on a disk", "[sim]") {
  MemoryFiles files;
  CHECK(file_error_of([&] { files.open("a/b", FileMode::read); }) == std::errc::no_such_file_or_directory);
  const auto file = files.open("a/b", FileMode::update);
  CHECK(files.find("a/b") == "");
  file->write_at(2, "two");
  file->write_at(0, "1");
  CHECK(file->size() == 5);
  std::string read(9, 'x');
  CHECK(file->read_at(1, read) == 4);
  CHECK(read == std::string("\0two", 4) + "xxxxx");
  CHECK(file->read_at(5, read) == 0);
  CHECK(file_error_of([&] { file->write_at(UINT64_MAX, "x"); }) == std::errc::file_too_large);
  files.open("a/b", FileMode::append)->append(" more");
  CHECK(file->size() == 10);
  files.write("a/b", "replaced");
  CHECK(file->size() == 10);
  CHECK(files.open("a/b", FileMode::write)->size() == 0);
  CHECK(file_error_of([&] { files.open("a", FileMode::update); }) == std::errc::is_a_directory);
}

TEST_CASE("memory files: a power cut takes back what was not synced, or not", "[sim]") {
  MemoryFiles files;
  const auto file = files.open("a", FileMode::update);
  file->write_at(0, "one");
  file->sync();
  file->write_at(0, "two");
  files.cut_power([] { return true; });
  CHECK(files.find("a") == "two");
  file->write_at(0, "three");
  files.append("b", "whole files are on disk");
  files.cut_power([] { return false; });
  CHECK(files.find("a") == "two");
  CHECK(files.find("b") == "whole files are on disk");
}

TEST_CASE("memory files: open ones of a simulated disk meet its faults", "[sim]") {
  simulated::World world(1, 0ns);
  simulated::Disk disk(world, epic::kernel::ungrouped(8), {});
  const auto file = disk.files().open("a", FileMode::update);
  file->write_at(0, "one");
  disk.set_full(true);
  CHECK(file_error_of([&] { file->write_at(0, "two"); }) == std::errc::no_space_on_device);
  CHECK(file_error_of([&] { disk.files().open("b", FileMode::append); }) == std::errc::no_space_on_device);
  CHECK(disk.files().open("a", FileMode::read)->size() == 3);
  disk.set_full(false);
  disk.set_failing(true);
  CHECK(file_error_of([&] { file->sync(); }) == std::errc::io_error);
  file->sync();
  disk.cut_power();
  CHECK(disk.files().find("a") == "one");
}
