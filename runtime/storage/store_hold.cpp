#include "storage/store_hold.hpp"

#include <fmt/format.h>

#include <utility>

#include "reflect/try.hpp"
#include "storage/postgres_connection.hpp"
#include "storage/postgres_statements.hpp"

namespace epic::storage {

StoreHold::StoreHold() = default;
StoreHold::StoreHold(StoreHold&& other) noexcept = default;
StoreHold& StoreHold::operator=(StoreHold&& other) noexcept = default;
StoreHold::~StoreHold() = default;

std::expected<StoreHold, StoreError> StoreHold::try_take(const StoreAddress& store) {
  StoreHold hold;
  if (!store.keeps_state() || store.has_file()) return hold;
  auto session = EPIC_TRY(PgConnection::open(store.text(), PgAccess::write));
  const auto held = session.run(pg::kHoldStore);
  if (!held) return std::unexpected(session.error("hold what is", held.error()));
  if (!held->boolean(0, 0))
    return std::unexpected(
        StoreError{StoreErrorCode::busy,
                   fmt::format("a fabric runs on the store '{}', or another command works on it", store.text())});
  hold.session_ = std::make_unique<PgConnection>(std::move(session));
  return hold;
}

}  // namespace epic::storage
