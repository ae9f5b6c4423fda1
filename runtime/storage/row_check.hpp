#pragma once
// Is a row what was written? The sentences about one that is not, which all stores on disk share.

#include <cstdint>
#include <optional>
#include <string>

#include "storage/store.hpp"

namespace epic::storage {

// `where`: "the store '…'". Empty: it is whole; the checksums are those that the row has.
[[nodiscard]] std::optional<StoreError> find_damage(const Snapshot& snapshot, std::uint64_t checksum,
                                                    const std::string& where);
[[nodiscard]] std::optional<StoreError> find_damage(const Mail& mail, std::uint64_t checksum,
                                                    std::uint64_t status_checksum, const std::string& where);
[[nodiscard]] std::optional<StoreError> find_damage(const Reminder& reminder, std::uint64_t checksum,
                                                    std::uint64_t due_checksum, const std::string& where);
[[nodiscard]] std::optional<StoreError> find_damage(const Answer& answer, std::uint64_t checksum,
                                                    std::uint64_t end_checksum, const std::string& where);

}  // namespace epic::storage
