#pragma once
// Counts of time units: from one unit to another, and to the span that text is made of. Exact, or refused. A date is a
// day at midnight UTC.

#include <cstdint>
#include <optional>
#include <string>

#include "epic/type_info.hpp"
#include "protocol/time_text.hpp"

namespace epic::codec {

/// The count in `to` for `count` in `from`; empty if it is not a whole number there, or too large. A floating count is
/// rounded.
[[nodiscard]] std::optional<std::uint64_t> convert_count(const reflect::TimeUnit& from, std::uint64_t count,
                                                         const reflect::TimeUnit& to);

/// The days since the UNIX epoch of the date with this count; empty if it is not a date.
[[nodiscard]] std::optional<std::int64_t> days_of_date(std::uint64_t count);

/// Sets `object`, whose table has `ops`, to a time in `from`. False if its type cannot hold it. The largest and
/// smallest counts, which stand for "never", become the type's own; a date has none.
[[nodiscard]] bool set_time(const reflect::TimeOps& ops, void* object, const reflect::TimeUnit& from,
                            std::uint64_t count);

/// Not for dates. Empty for a floating count, and for one that is not a whole number of attoseconds.
[[nodiscard]] std::optional<protocol::Span> to_span(const reflect::TimeUnit& unit, std::uint64_t count);
[[nodiscard]] std::optional<std::uint64_t> from_span(const protocol::Span& span, const reflect::TimeUnit& unit);

}  // namespace epic::codec
