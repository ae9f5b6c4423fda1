#pragma once
// PrivateNetwork: a network on this computer for machines that are only processes: a network namespace each, and one
// with the bridge between them, where their database listens. Packets that the kernel drops between two of them stand
// for a cut link.
//
// Only root may make one. A namespace lasts until it is removed, so one that a killed process left is replaced.

#include <cstddef>
#include <filesystem>
#include <string>

#include "cli/output/failure.hpp"

namespace epic::cli {

/// A value. Machines are counted from 0.
class PrivateNetwork {
 public:
  /// The network of the project in that directory.
  explicit PrivateNetwork(const std::filesystem::path& project);

  /// Why there can be none here; empty if there can.
  [[nodiscard]] static std::string why_not();
  /// `scratch`: a directory for its files. If it fails, nothing is left.
  [[nodiscard]] Result<void> make(std::size_t machines, const std::filesystem::path& scratch) const;
  void remove() const;
  [[nodiscard]] bool exists() const;

  /// What `from` sends to `to` is dropped.
  [[nodiscard]] Result<void> cut(std::size_t from, std::size_t to) const;
  /// What a machine and the database send to each other is dropped.
  [[nodiscard]] Result<void> cut_database(std::size_t machine) const;
  /// All that was cut of a machine's.
  [[nodiscard]] Result<void> heal(std::size_t machine) const;

  [[nodiscard]] std::filesystem::path place(std::size_t machine) const { return file(name_of(machine)); }
  [[nodiscard]] std::filesystem::path database_place() const { return file(hub()); }
  [[nodiscard]] static std::string address(std::size_t machine);
  [[nodiscard]] static std::string database_address();
  /// Of all of them, as PostgreSQL has it.
  [[nodiscard]] static std::string addresses();

 private:
  [[nodiscard]] static std::filesystem::path file(const std::string& name);
  [[nodiscard]] std::string name_of(std::size_t machine) const;
  [[nodiscard]] std::string hub() const { return prefix_ + "hub"; }
  [[nodiscard]] Result<void> make_all(std::size_t machines, const std::filesystem::path& scratch) const;
  [[nodiscard]] Result<void> drop(const std::string& name, const std::string& address) const;

  std::string prefix_;
};

}  // namespace epic::cli
