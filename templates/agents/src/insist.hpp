#pragma once
// insist: repeats a call whose node dies, until another node has taken its entity over.
//
//   const Tally tally = co_await insist([=] { return region->advance(plan, place, from, to); });
//
// For calls that may be made twice. All those between regions may: a step that is computed again is the same step.

#include <chrono>
#include <epic/epic.hpp>
#include <type_traits>

template <class Make>
auto insist(Make make) -> epic::Task<typename std::invoke_result_t<Make&>::value_type> {
  constexpr int kAttemptsMax = 100;
  constexpr std::chrono::milliseconds kPause{100};
  for (int attempt = 1;; ++attempt) {
    try {
      co_return co_await make();
    } catch (const epic::Error& error) {
      switch (error.code()) {
        case epic::ErrorCode::node_lost:
        case epic::ErrorCode::unavailable:
        case epic::ErrorCode::overloaded:
        case epic::ErrorCode::timeout:
        case epic::ErrorCode::activation_failed:
          if (attempt < kAttemptsMax) break;
          [[fallthrough]];
        default:
          throw;
      }
    }
    co_await epic::sleep(kPause);
  }
}
