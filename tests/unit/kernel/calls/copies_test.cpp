#include "kernel/calls/copies.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <epic/epic.hpp>
#include <string>

#include "epic/error.hpp"
#include "kernel/errors.hpp"
#include "kernel/limits.hpp"

using namespace epic;
using namespace epic::kernel;
using namespace std::chrono_literals;

namespace {

class Kiosk : public Entity {
 public:
  Task<std::string> read(std::string page) const { co_return page; }
  Task<std::string> skim(std::string page) const { co_return page; }
  EPIC_ENTITY(Kiosk, methods(read, skim), transient)
};

using Reading = detail::RecordPtr<detail::ResultRecord<std::string>>;

struct CopiesFixture {
  Clock clock{.now_ns = 1'000'000'000};
  Copies copies{{.count = 3, .bytes = 10'000}, clock};

  static Reading ask(std::chrono::nanoseconds max_age, const std::string& page, const char* kiosk = "a") {
    return Ref<Kiosk>(kiosk).cached(max_age)->read(page).epic_take_record();
  }
  /// No copy answers it, and it shares no other call.
  Reading request(std::chrono::nanoseconds max_age, const std::string& page) {
    Reading record = ask(max_age, page);
    CHECK_FALSE(copies.try_answer(*record));
    CHECK_FALSE(copies.share(*record));
    return record;
  }
  void answer(Reading& record, const std::string& with, std::uint64_t observed = 0) {
    record->outcome.value = with;
    record->state = Record::State::ended;
    copies.end_request(*record, CommitNumber{observed});
  }
  /// What a copy answers; empty: none does.
  std::string find(std::chrono::nanoseconds max_age, const std::string& page, const char* kiosk = "a") {
    const Reading record = ask(max_age, page, kiosk);
    if (!copies.try_answer(*record)) return "";
    CHECK(record->state == Record::State::ended);
    return record->take();
  }
  void pass(std::chrono::nanoseconds time) { clock.now_ns += time.count(); }
};

}  // namespace

TEST_CASE("copies: one answers equal calls that it is young enough for, by when it was asked for", "[kernel]") {
  CopiesFixture f;
  Reading first = f.request(1s, "news");
  f.pass(400ms);
  f.answer(first, "sun");
  CHECK(first->outcome.value == "sun");  // its own caller still gets it
  CHECK(f.find(1s, "news") == "sun");
  CHECK(f.find(401ms, "news") == "sun");
  CHECK(f.find(400ms, "news") == "");
  CHECK(f.find(0s, "news") == "");
  CHECK(f.find(1s, "weather") == "");
  CHECK(f.find(1s, "news", "b") == "");
  const auto other_method = Ref<Kiosk>("a").cached(1s)->skim("news").epic_take_record();
  CHECK_FALSE(f.copies.try_answer(*other_method));
  f.pass(599ms);
  CHECK(f.find(1s, "news") == "sun");
  f.pass(1ms);
  CHECK(f.find(1s, "news") == "");
  CHECK(f.find(2s, "news") == "sun");
}

TEST_CASE("copies: who gets one has observed what its result depends on", "[kernel]") {
  CopiesFixture f;
  Reading first = f.request(1s, "news");
  f.answer(first, "sun", 7);
  const Reading second = f.ask(1s, "news");
  second->observed = 3;
  REQUIRE(f.copies.try_answer(*second));
  CHECK(second->observed == 7);
  const Reading third = f.ask(1s, "news");
  third->observed = 9;
  REQUIRE(f.copies.try_answer(*third));
  CHECK(third->observed == 9);
  f.copies.drop_observers_of(CommitNumber{6});
  CHECK(f.find(1s, "news") == "sun");
  f.copies.drop_observers_of(CommitNumber{7});
  CHECK(f.find(1s, "news") == "");
}

TEST_CASE("copies: equal calls share a request that is young enough for them", "[kernel]") {
  CopiesFixture f;
  Reading first = f.request(1s, "news");
  f.pass(300ms);
  const Reading second = f.ask(1s, "news");
  CHECK_FALSE(f.copies.try_answer(*second));
  CHECK(f.copies.share(*second));
  CHECK(second->state == Record::State::sharing);
  CHECK(Copies::find_request_of(*second) == first.get());
  Reading hasty = f.request(300ms, "news");  // another request
  const Reading third = f.ask(200ms, "news");
  CHECK_FALSE(f.copies.try_answer(*third));
  CHECK(f.copies.share(*third));
  CHECK(Copies::find_request_of(*third) == hasty.get());

  f.answer(hasty, "rain");
  f.answer(first, "sun");  // older, although it comes later
  CHECK(f.find(1s, "news") == "rain");
  const auto of_third = f.copies.take_shared();
  REQUIRE(of_third);
  CHECK(of_third->record.get() == third.get());
  CHECK(*static_cast<const std::string*>(of_third->outcome->copy->value()) == "rain");
  const auto of_second = f.copies.take_shared();
  REQUIRE(of_second);
  CHECK(of_second->record.get() == second.get());
  CHECK(*static_cast<const std::string*>(of_second->outcome->copy->value()) == "sun");
  CHECK_FALSE(f.copies.take_shared());
}

TEST_CASE("copies: a failure is not kept, and those that share the request get it unless it is its caller's alone",
          "[kernel]") {
  CopiesFixture f;
  const auto [code, is_shared] =
      GENERATE(std::pair(ErrorCode::node_lost, true), std::pair(ErrorCode::unavailable, true),
               std::pair(ErrorCode::overloaded, true), std::pair(ErrorCode::timeout, false),
               std::pair(ErrorCode::cancelled, false), std::pair(ErrorCode::deadlock, false));
  CAPTURE(to_string(code));
  Reading first = f.request(1s, "news");
  const Reading second = f.ask(1s, "news");
  static_cast<void>(f.copies.try_answer(*second));
  REQUIRE(f.copies.share(*second));
  first->failure = make_exception(code, "why");
  first->state = Record::State::ended;
  f.copies.end_request(*first, CommitNumber{0});
  CHECK(f.copies.size() == 0);
  const auto shared = f.copies.take_shared();
  REQUIRE(shared);
  CHECK(shared->outcome->copy == nullptr);
  CHECK((shared->outcome->failure != nullptr) == is_shared);
}

TEST_CASE("copies: what a method has thrown is shared, even a Timeout of its own calls", "[kernel]") {
  CopiesFixture f;
  const bool is_remote = GENERATE(false, true);
  Reading first = f.request(1s, "news");
  const Reading second = f.ask(1s, "news");
  static_cast<void>(f.copies.try_answer(*second));
  REQUIRE(f.copies.share(*second));
  first->deadline_ns = f.clock.now_ns + 10'000'000'000;
  if (is_remote)
    first->failure = make_exception(ErrorCode::timeout, "too slow");
  else
    first->outcome.exception = std::make_exception_ptr(Timeout("too slow"));
  first->state = Record::State::ended;
  f.copies.end_request(*first, CommitNumber{0});
  const auto shared = f.copies.take_shared();
  REQUIRE(shared);
  CHECK(shared->outcome->failure != nullptr);
  CHECK(f.copies.size() == 0);
}

TEST_CASE("copies: a call that has stopped waiting for a request is given nothing", "[kernel]") {
  CopiesFixture f;
  Reading first = f.request(1s, "news");
  const Reading second = f.ask(1s, "news");
  static_cast<void>(f.copies.try_answer(*second));
  REQUIRE(f.copies.share(*second));
  second->state = Record::State::ended;
  second->failure = make_exception(ErrorCode::timeout, "its own");
  f.copies.end_request(*second, CommitNumber{0});
  f.answer(first, "sun");
  CHECK_FALSE(f.copies.take_shared());
  CHECK(f.find(1s, "news") == "sun");
}

TEST_CASE("copies: a refused change is given to none of those that have shared its request", "[kernel]") {
  CopiesFixture f;
  Reading first = f.request(1s, "news");
  const Reading second = f.ask(1s, "news");
  static_cast<void>(f.copies.try_answer(*second));
  REQUIRE(f.copies.share(*second));
  f.answer(first, "sun", 7);
  f.copies.drop_observers_of(CommitNumber{7});
  const auto shared = f.copies.take_shared();
  REQUIRE(shared);
  CHECK(shared->outcome->copy == nullptr);
  CHECK(shared->outcome->failure == nullptr);
}

TEST_CASE("copies: they are bounded by count and bytes, and the oldest go first", "[kernel]") {
  CopiesFixture f;
  for (const std::string page : {"a", "b", "c", "d"}) {
    Reading record = f.request(1h, page);
    f.answer(record, page + "!");
    f.pass(1ms);
  }
  CHECK(f.copies.size() == 3);
  CHECK(f.find(1h, "a") == "");
  CHECK(f.find(1h, "b") == "b!");
  CHECK(f.find(1h, "d") == "d!");

  Reading large = f.request(1h, "e");
  f.answer(large, std::string(9'800, 'x'));
  CHECK(f.find(1h, "e").size() == 9'800);
  CHECK(f.find(1h, "d") == "");
  CHECK(f.copies.bytes() <= 10'000);
  Reading too_large = f.request(1h, "f");
  f.answer(too_large, std::string(20'000, 'x'));
  CHECK(f.find(1h, "f") == "");
  CHECK(f.find(1h, "e").size() == 9'800);

  f.copies.clear();
  CHECK(f.copies.bytes() == 0);
  CHECK(f.find(1h, "e") == "");
}

TEST_CASE("copies: those that are too old for every call so far are dropped in time", "[kernel]") {
  CopiesFixture f;
  Reading one = f.request(1s, "a");
  f.answer(one, "a!");
  Reading two = f.request(1s, "b");
  f.answer(two, "b!");
  CHECK(f.find(5s, "b") == "b!");  // from now on it is worth keeping for longer
  f.copies.on_time();
  CHECK(f.copies.size() == 2);
  f.pass(1s);
  f.copies.on_time();
  CHECK(f.copies.size() == 1);
  f.pass(4s);
  f.copies.on_time();
  CHECK(f.copies.size() == 0);
  CHECK(f.copies.bytes() == 0);
}

TEST_CASE("copies: a call with very large arguments is an ordinary one", "[kernel]") {
  CopiesFixture f;
  const std::string page(kernel::limits::kCopyKeyBytesMax + 1, 'x');
  for (int i = 0; i < 2; ++i) {
    Reading record = f.request(1s, page);
    CHECK(record->state == Record::State::made);
    f.answer(record, "read");
  }
  CHECK(f.copies.size() == 0);
}
