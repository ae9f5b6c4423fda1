#include "kernel/entity_lock.hpp"

#include <catch2/catch.hpp>

#include "unit/kernel/test_entities.hpp"

using namespace epic;
using namespace epic::kernel;
using testing_entities::Counter;
using Mode = EntityLock::Mode;

namespace {

RecordRef make_record() { return RecordRef(Ref<Counter>("a")->add(1).epic_take_record().detach()); }

}  // namespace

TEST_CASE("entity lock: calls that wait are served in order, and shared ones together", "[kernel]") {
  EntityLock lock;
  const RecordRef first = make_record();
  const RecordRef second = make_record();
  const RecordRef third = make_record();
  const RecordRef fourth = make_record();
  REQUIRE(lock.try_take(*first, Mode::exclusive));
  CHECK_FALSE(lock.try_take(*second, Mode::shared));
  lock.wait(second, Mode::shared, 1);
  lock.wait(third, Mode::shared, 2);
  lock.wait(fourth, Mode::exclusive, 3);
  CHECK(lock.first_waiting() == second.get());
  CHECK(lock.find_waiting_since(*third) == 2);

  CHECK(lock.release(*first).size() == 2);
  CHECK(lock.first_waiting() == fourth.get());
  CHECK(lock.release(*second).empty());
  CHECK(lock.release(*third).size() == 1);
  CHECK(fourth->holds_lock);
  CHECK(lock.first_waiting() == nullptr);
}

TEST_CASE("entity lock: a shared call does not pass an exclusive one that waits", "[kernel]") {
  EntityLock lock;
  const RecordRef reader = make_record();
  const RecordRef writer = make_record();
  const RecordRef later = make_record();
  REQUIRE(lock.try_take(*reader, Mode::shared));
  lock.wait(writer, Mode::exclusive, 1);
  CHECK_FALSE(lock.try_take(*later, Mode::shared));
  lock.wait(later, Mode::shared, 2);
  CHECK(lock.leave(*writer).size() == 1);
  CHECK(later->holds_lock);
}
