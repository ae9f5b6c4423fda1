#pragma once
// EtcdWatch: what one watcher has been told, and what of etcd's answers it has yet to be told (no I/O).
//
// A watch begins with a read of everything under its prefix, at one revision of the store. From then on it follows the
// changes since. When those cannot be had any more, everything is read again, and the difference is told.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cluster/coordination/coordination.hpp"
#include "cluster/coordination/etcd_messages.hpp"

namespace epic::cluster {

class EtcdWatch {
 public:
  using Changes = std::vector<CoordinationChange>;

  /// `root`: what etcd's keys begin with; watchers do not see it.
  EtcdWatch(std::string root, std::string_view prefix) : root_(std::move(root)), prefix_(root_ + std::string(prefix)) {}

  [[nodiscard]] const std::string& prefix() const { return prefix_; }
  /// The newest revision of the store of which everything has been told.
  [[nodiscard]] std::uint64_t revision() const { return revision_; }

  /// Whether everything has been told of what etcd::read_newest() has found.
  [[nodiscard]] bool has_heard(const etcd::Range& newest) const;

  /// What to tell of a read: everything, by key; later only the differences.
  [[nodiscard]] Changes on_read(const etcd::Range& range);
  /// What to tell of a line of changes.
  [[nodiscard]] Changes on_events(const std::vector<etcd::Event>& events);

 private:
  struct Held {
    std::string value;
    std::uint64_t created = 0;  // revisions
    std::uint64_t changed = 0;
    bool operator==(const Held&) const = default;
  };
  [[nodiscard]] std::string key_of(const etcd::KeyValue& entry) const;

  std::string root_;
  std::string prefix_;
  std::uint64_t revision_ = 0;
  bool is_read_ = false;
  std::map<std::string, Held> held_;
};

}  // namespace epic::cluster
