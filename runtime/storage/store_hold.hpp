#pragma once
// StoreHold: keeps fabrics away from a store while a command works on it, wherever they are started.
//
// A store in a file belongs to one project, whose lock does that (cluster/supervisor/project_lock.hpp); holding it
// costs nothing. A database may be used from many directories and machines. Every process of a fabric shares its use,
// for as long as it is connected, and a hold is for one alone: so there is none while a fabric runs, and no fabric gets
// its shards while there is one. If the process dies, the server ends the hold with its session.

#include <expected>
#include <memory>

#include "storage/store.hpp"
#include "storage/store_address.hpp"

namespace epic::storage {

class PgConnection;

/// Held until it is destroyed.
class StoreHold {
 public:
  /// `busy`: a fabric runs on the store, or another command holds it.
  static std::expected<StoreHold, StoreError> try_take(const StoreAddress& store);
  StoreHold(StoreHold&& other) noexcept;
  StoreHold& operator=(StoreHold&& other) noexcept;
  ~StoreHold();

 private:
  StoreHold();

  std::unique_ptr<PgConnection> session_;  // null: the project's lock is enough
};

}  // namespace epic::storage
