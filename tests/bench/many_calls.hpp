#pragma once
// call_all: calls by a client, a number of them at a time.

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>

#include "epic/client.hpp"

namespace epic::bench {

/// Makes the calls 0 … `count` - 1, `at_once` of them at a time, and waits until all have ended. `on_end` gets each
/// with its number, one at a time, on the client's thread; the first exception that it throws is thrown at the end.
template <class R>
void call_all(
    const Client& client, std::int64_t count, std::int64_t at_once, const std::function<Call<R>(std::int64_t)>& make,
    const std::function<void(std::int64_t, CallResult<R>)>& on_end,
    const std::function<ClientCallOptions(std::int64_t)>& options_of = [](std::int64_t) {
      return ClientCallOptions();
    }) {
  std::mutex mutex;
  std::condition_variable ended;
  std::int64_t next = 0;
  std::int64_t open = std::min(at_once, count);
  std::exception_ptr error;
  const std::function<void()> start = [&] {
    std::int64_t number = 0;
    {
      const std::lock_guard lock(mutex);
      if (next == count) {
        if (--open == 0) ended.notify_one();
        return;
      }
      number = next++;
    }
    const auto end = [&, number](CallResult<R> result) {
      try {
        const std::lock_guard lock(mutex);
        on_end(number, std::move(result));
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!error) error = std::current_exception();
      }
      start();
    };
    client.async_call(make(number), end, options_of(number));
  };
  for (std::int64_t i = std::min(at_once, count); i > 0; --i) start();
  std::unique_lock lock(mutex);
  ended.wait(lock, [&] { return open == 0; });
  if (error) std::rethrow_exception(error);
}

/// The same for calls whose results do not matter, but whose errors do.
template <class R>
void call_all(const Client& client, std::int64_t count, std::int64_t at_once,
              const std::function<Call<R>(std::int64_t)>& make) {
  call_all<R>(client, count, at_once, make,
              [](std::int64_t, CallResult<R> result) { static_cast<void>(result.get()); });
}

}  // namespace epic::bench
