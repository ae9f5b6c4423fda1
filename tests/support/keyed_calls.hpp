#pragma once
// Calls with idempotency keys in a SimFabric, and how they ended, as text.

#include <fmt/format.h>

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "kernel/record.hpp"
#include "support/sim_fabric.hpp"

namespace epic::test {

/// Makes the call as a client of `node`. The text is empty until it has ended: then its result, "threw: …" or an error
/// of the family, "timeout: …".
template <class R>
std::shared_ptr<std::string> start_keyed(SimFabric& fabric, std::uint16_t node, Call<R>&& call, std::string key) {
  auto record = std::move(call).epic_take_record();
  kernel::set_key(*record, std::move(key));
  auto outcome = std::make_shared<std::string>();
  fabric.submit(node, kernel::RecordRef(record.detach()), [outcome](kernel::Record& ended) {
    auto& typed = static_cast<detail::ResultRecord<R>&>(ended);
    try {
      if constexpr (std::is_void_v<R>) {
        typed.take();
        *outcome = "done";
      } else {
        *outcome = fmt::format("{}", typed.take());
      }
    } catch (const Error& error) {
      *outcome = fmt::format("{}: {}", to_string(error.code()), error.what());
    } catch (const std::exception& error) {
      *outcome = fmt::format("threw: {}", error.what());
    }
  });
  return outcome;
}

/// The same, until it has ended.
template <class R>
std::string call_keyed(SimFabric& fabric, std::uint16_t node, Call<R>&& call, std::string key) {
  const auto outcome = start_keyed(fabric, node, std::move(call), std::move(key));
  static_cast<void>(fabric.run_until([&] { return !outcome->empty(); }));
  return outcome->empty() ? "it never ended" : *outcome;
}

}  // namespace epic::test
