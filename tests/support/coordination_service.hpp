#pragma once
// CoordinationService: what the tests of Coordination need of each kind, so that one suite runs against all of them.
//
// A service keeps the keys and the leases. A client is a Coordination; each process has one. Here several clients of a
// service run in one process, on the test's thread, as strangers to each other.

#include <catch2/catch.hpp>
#include <chrono>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/coordination/coordination.hpp"

namespace epic::test {

class CoordinationService {
 public:
  virtual ~CoordinationService() = default;
  /// A client; the service owns it. Called once, unless it is a server.
  virtual cluster::Coordination& connect() = 0;
  /// Runs what is ready on the clients' thread. If that is nothing, it waits a little for something.
  virtual void run_some() = 0;

  /// Runs the clients until `condition` holds. Fails the test if it does not within 30 s.
  void run_until(std::string_view what, const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) FAIL("waited in vain: " << what);
      run_some();
    }
  }
};

/// A service that several processes use, and what may happen to it. It ends leases by itself.
class CoordinationServer : public CoordinationService {
 public:
  /// Ends a client like the death of its process: nothing is revoked.
  virtual void kill(cluster::Coordination& client) = 0;
  /// Of all clients, by the server.
  virtual void break_connections() = 0;
  /// Like kill -9 of all its processes.
  virtual void crash() = 0;
  /// Returns when it takes requests.
  virtual void start() = 0;
  /// SIGSTOP: connections stay, and nothing is answered.
  virtual void pause() = 0;
  virtual void resume() = 0;
};

/// A client whose operations are waited for. What it listens to is in `heard`, as "key=value" and "key gone".
class CoordinationUser {
 public:
  explicit CoordinationUser(CoordinationService& service) : CoordinationUser(service, service.connect()) {}
  /// `client`: of the service.
  CoordinationUser(CoordinationService& service, cluster::Coordination& client)
      : coordination(client), service_(service) {}

  cluster::Coordination& coordination;

  void listen(std::string_view prefix) {
    prefixes_.emplace_back(prefix);
    coordination.watch(prefix, [this](const cluster::CoordinationChange& change) {
      if (change.key.contains(kMarker))
        marker_heard_ = change.key;
      else
        heard_.push_back(change.key + (change.value ? "=" + *change.value : " gone"));
    });
  }
  /// With everything that was changed before this call.
  const std::vector<std::string>& heard() {
    for (const std::string& prefix : prefixes_) {
      if (!marker_lease_) marker_lease_ = open_lease(std::chrono::hours(1));
      const std::string marker =
          prefix + kMarker + std::to_string(marker_lease_->value) + '.' + std::to_string(++markers_put_);
      REQUIRE(put(marker, "", *marker_lease_));
      service_.run_until("a change is heard under '" + prefix + "'", [&] { return marker_heard_ == marker; });
    }
    return heard_;
  }
  /// Up to now.
  [[nodiscard]] const std::vector<std::string>& heard_so_far() const { return heard_; }

  cluster::LeaseId open_lease(std::chrono::nanoseconds timeout = std::chrono::seconds(60)) {
    return answer<cluster::LeaseId>([&](auto done) { coordination.open_lease(timeout, std::move(done)); });
  }
  bool put(std::string_view key, std::string_view value, cluster::LeaseId lease) {
    return answer<bool>([&](auto done) { coordination.put_if_absent(key, value, lease, std::move(done)); });
  }
  bool renew(cluster::LeaseId lease) {
    return answer<bool>([&](auto done) { coordination.renew(lease, std::move(done)); });
  }
  void revoke(cluster::LeaseId lease) {
    answer<void>([&](auto done) { coordination.revoke(lease, std::move(done)); });
  }
  /// Fails the test on an error.
  template <class Result>
  Result answer(const std::function<void(cluster::Coordination::Done<Result>)>& begin) {
    const auto result = try_answer(begin);
    if (!result) FAIL("unexpected error: " << result.error().message);
    return result.value();
  }
  template <class Result>
  std::expected<Result, cluster::CoordinationError> try_answer(
      const std::function<void(cluster::Coordination::Done<Result>)>& begin) {
    std::optional<std::expected<Result, cluster::CoordinationError>> answered;
    begin([&](std::expected<Result, cluster::CoordinationError> result) { answered = std::move(result); });
    service_.run_until("an operation is answered", [&] { return answered.has_value(); });
    return *std::move(answered);
  }

 private:
  static constexpr char kMarker = '~';  // in keys that tell how far this has heard

  CoordinationService& service_;
  std::vector<std::string> prefixes_;
  std::vector<std::string> heard_;
  std::optional<cluster::LeaseId> marker_lease_;
  int markers_put_ = 0;
  std::string marker_heard_;  // the last one
};

}  // namespace epic::test
