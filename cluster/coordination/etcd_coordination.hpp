#pragma once
// EtcdCoordination: coordination by etcd (3.4 or newer), for fabrics on several machines.
//
// Keys lie below "/epic/<name>/", so fabrics of different names share a server. Requests go to one server of the list,
// one at a time, in the order in which they were begun; when it fails, to the next (etcd_http.hpp).
//
// Leases:  etcd counts whole seconds, and has a minimum (2 s unless it is set up otherwise): a lease may last longer
//          than was asked for, never shorter. It ends by the servers' clocks up to half a second late, and when etcd
//          changes its leader all leases start anew. Keys of a lease that ends by itself go all at once, by key.
// Revoke:  removes the keys that this object has put, in that order, in one transaction (or several, of
//          kKeysAtOnceMax), and then ends the lease, which takes those along that others have put on it.
// Errors:  an operation whose answer does not come is answered with a CoordinationError within the time for an answer
//          (on each server that has to be tried first), and so is what waits behind it. It may still take effect, and
//          later than operations that were begun after it.
// Watch:   every change, in order, also across reconnects, unless etcd has compacted what was missed, or has been
//          restored from a copy. Then the difference is called back: first the keys that have gone, by key, then the
//          new ones in the order in which they were put. Reads that check notice a server that does not answer, and a
//          watch that lacks a change for longer than from one of them to the next.
//
// When it is destroyed, operations that are under way are not answered any more.

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "cluster/coordination/coordination.hpp"

namespace epic::cluster {

struct EtcdOptions {
  std::vector<std::string> endpoints;  // as parse_etcd_endpoint() takes them, at least one
  std::string name;                    // of the fabric; not empty, without '/'
  std::chrono::nanoseconds answer_timeout = std::chrono::seconds(2);
};

/// On the io_context's only thread.
class EtcdCoordination final : public Coordination {
 public:
  static constexpr std::size_t kKeysAtOnceMax = 100;  // etcd takes 128 operations in a transaction

  /// Connects when it is first used. The error is a sentence about the options. `context` outlives the object.
  [[nodiscard]] static std::expected<std::unique_ptr<EtcdCoordination>, std::string> make(
      boost::asio::io_context& context, const EtcdOptions& options);
  ~EtcdCoordination() override;

  void open_lease(std::chrono::nanoseconds timeout, Done<LeaseId> done) override;
  void renew(LeaseId lease, Done<bool> done) override;
  void revoke(LeaseId lease, Done<void> done) override;
  void put_if_absent(std::string_view key, std::string_view value, LeaseId lease, Done<bool> done) override;
  void watch(std::string_view prefix, Watcher watcher) override;

 private:
  struct State;
  explicit EtcdCoordination(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;  // shared with the coroutines, which end after this object
};

}  // namespace epic::cluster
