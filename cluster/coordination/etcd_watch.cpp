#include "cluster/coordination/etcd_watch.hpp"

#include <algorithm>
#include <utility>

namespace epic::cluster {

std::string EtcdWatch::key_of(const etcd::KeyValue& entry) const {
  return etcd::text_of(entry.key).substr(root_.size());
}

bool EtcdWatch::has_heard(const etcd::Range& newest) const {
  std::uint64_t changed = 0;
  for (const auto& [key, held] : held_) changed = std::max(changed, held.changed);
  return etcd::number_of(newest.count) == held_.size() &&
         changed == (newest.kvs.empty() ? 0 : etcd::number_of(newest.kvs.front().mod_revision));
}

EtcdWatch::Changes EtcdWatch::on_read(const etcd::Range& range) {
  std::map<std::string, Held> now;
  for (const auto& entry : range.kvs)
    now.emplace(key_of(entry), Held{etcd::text_of(entry.value), etcd::number_of(entry.create_revision),
                                    etcd::number_of(entry.mod_revision)});
  Changes changes;
  for (const auto& [key, held] : held_) {
    const auto found = now.find(key);
    if (found == now.end() || found->second.created != held.created) changes.push_back({key, std::nullopt});
  }
  std::vector<std::pair<std::string, Held>> put;
  for (const auto& [key, held] : now)
    if (const auto before = held_.find(key); before == held_.end() || before->second != held)
      put.emplace_back(key, held);
  if (is_read_) std::ranges::sort(put, {}, [](const auto& one) { return std::pair(one.second.changed, one.first); });
  for (auto& [key, held] : put) changes.push_back({key, std::move(held.value)});
  held_ = std::move(now);
  is_read_ = true;
  revision_ = etcd::number_of(range.header.revision);
  return changes;
}

EtcdWatch::Changes EtcdWatch::on_events(const std::vector<etcd::Event>& events) {
  Changes changes;
  for (const auto& [type, entry] : events) {
    const std::uint64_t changed = etcd::number_of(entry.mod_revision);
    std::string key = key_of(entry);
    if (type == "DELETE") {
      if (held_.erase(key) > 0) changes.push_back({std::move(key), std::nullopt});
    } else {
      Held held{etcd::text_of(entry.value), etcd::number_of(entry.create_revision), changed};
      changes.push_back({key, held.value});
      held_.insert_or_assign(std::move(key), std::move(held));
    }
    revision_ = std::max(revision_, changed);
  }
  return changes;
}

}  // namespace epic::cluster
