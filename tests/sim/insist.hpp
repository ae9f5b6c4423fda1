#pragma once
// insist: one call of a simulated client, repeated until it succeeds within the time that a cluster may take to become
// healthy.

#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>

#include "cluster/sim/cluster.hpp"

namespace epic::test {

inline constexpr std::chrono::seconds kDeadline{5};  // of a call
inline constexpr std::chrono::seconds kHealthyWithin{30};
inline constexpr std::chrono::milliseconds kInsistAgain{10};

/// `attempt` starts a call of the client, and calls what it gets with the reason, or with nothing if all is well.
/// Throws std::runtime_error if it never is.
inline void insist_on(cluster::sim::Cluster& cluster, cluster::sim::SimClient& client,
                      const std::function<void(std::function<void(std::optional<std::string>)>)>& attempt) {
  cluster::sim::World& world = cluster.world();
  const std::int64_t until_ns = world.now_ns() + std::chrono::nanoseconds(kHealthyWithin).count();
  std::string why = "there was no time";
  while (world.now_ns() < until_ns) {
    bool has_ended = false;
    bool is_well = false;
    world.enter(client.process_id(), [&] {
      attempt([&](std::optional<std::string> failure) {
        has_ended = true;
        is_well = !failure;
        if (failure) why = *std::move(failure);
      });
    });
    world.run_until([&] { return has_ended; }, 2 * kDeadline);
    if (!has_ended) throw std::runtime_error("a call never ended");
    if (is_well) return;
    world.run_for(kInsistAgain);
  }
  throw std::runtime_error("not healthy in time: " + why);
}

template <class R>
R insist(cluster::sim::Cluster& cluster, cluster::sim::SimClient& client, const std::function<Call<R>()>& call) {
  std::optional<R> result;
  insist_on(cluster, client, [&](std::function<void(std::optional<std::string>)> on_end) {
    client.start<R>(call(), [&result, on_end = std::move(on_end)](detail::ResultRecord<R>& record) {
      std::optional<std::string> failure;
      try {
        result = record.take();
      } catch (const std::exception& error) {
        failure = error.what();
      }
      on_end(std::move(failure));
    });
  });
  return *std::move(result);
}

}  // namespace epic::test
