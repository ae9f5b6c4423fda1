// epic::Client as a part of a program that uses Asio.

#include "epic/client_asio.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <catch2/catch.hpp>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "integration/modules/loops.hpp"
#include "integration/modules/probe.hpp"
#include "integration/node/real_fabric.hpp"

namespace asio = boost::asio;
using namespace std::chrono_literals;
using asio::use_awaitable;
using epic::Client;
using epic::test::ProjectDirectory;
using epic::test::real_nodes;
using epic::test::Supervised;
using loops::Looper;
using probe::Counter;
using probe::Relay;

namespace {

/// Runs it on an io_context of its own until nothing is left to do there, and throws what it throws.
void run(asio::awaitable<void> coroutine) {
  asio::io_context context;
  std::exception_ptr error;
  bool has_ended = false;
  asio::co_spawn(context, std::move(coroutine), [&](std::exception_ptr thrown) {
    has_ended = true;
    error = std::move(thrown);
  });
  context.run();
  REQUIRE(has_ended);
  if (error) std::rethrow_exception(error);
}

asio::awaitable<void> call_all_kinds(Client client) {
  const std::thread::id own = std::this_thread::get_id();
  const auto counter = client.get<Counter>("a");
  CHECK(co_await client.call(counter->add(4), use_awaitable) == 4);
  CHECK(std::this_thread::get_id() == own);
  co_await client.call(counter->see(1), use_awaitable);
  CHECK(co_await client.call(counter->add(1), use_awaitable, {.idempotency_key = "once"}) == 5);
  CHECK(co_await client.call(counter->add(1), use_awaitable, {.idempotency_key = "once"}) == 5);
  auto later = client.call(counter->add(1), asio::deferred);
  CHECK(co_await client.call(counter->get(), use_awaitable) == 5);
  CHECK(co_await std::move(later)(use_awaitable) == 6);
}

asio::awaitable<void> fail_in_all_ways(Client client) {
  const auto relay = client.get<Relay>("r");
  try {
    co_await client.call(relay->refuse("not today"), use_awaitable);
    FAIL("it did not throw");
  } catch (const epic::CallFailed& error) {
    CHECK(error.type_name() == "probe::Refused");
  }
  try {
    co_await client.call(relay.with(50ms)->sleep_for_ms(60'000), use_awaitable);
    FAIL("it did not throw");
  } catch (const epic::Timeout&) {
  }
  try {
    co_await client.call(relay->version(), use_awaitable, {.idempotency_key = ""});
    FAIL("it did not throw");
  } catch (const epic::BadArguments&) {
  }
}

asio::awaitable<void> wait(std::chrono::nanoseconds duration) {
  asio::steady_timer timer(co_await asio::this_coro::executor, duration);
  co_await timer.async_wait(use_awaitable);
}

asio::awaitable<void> give_up(Client client) {
  using namespace asio::experimental::awaitable_operators;
  const auto looper = client.get<Looper>("x").with(1h);
  const auto ended = co_await (client.call(looper->run(), use_awaitable) || wait(500ms));
  CHECK(ended.index() == 1);
  // The loop itself has ended on its node; otherwise this would run into its deadline.
  CHECK(co_await client.call(client.get<Looper>("x").with(20s)->wait_until_still(), use_awaitable) > 0);
}

}  // namespace

TEST_CASE("client: a coroutine of Asio's awaits calls, and goes on where it was", "[client]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 2)};
  fabric.wait_for("ready 2 nodes");
  run(call_all_kinds(Client::connect(project.path().string())));
}

TEST_CASE("client: in a coroutine of Asio's a failed call throws what it throws elsewhere", "[client]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 2)};
  fabric.wait_for("ready 2 nodes");
  run(fail_in_all_ways(Client::connect(project.path().string())));
}

TEST_CASE("client: an awaited call that loses against a timer is cancelled, also on its node", "[client]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("loops", 2)};
  fabric.wait_for("ready 2 nodes");
  run(give_up(Client::connect(project.path().string())));
}

TEST_CASE("client: a callback runs on its executor, and a cancelled call ends with Cancelled, once",
          "[client][threads][memory]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 1)};
  fabric.wait_for("ready 1 nodes");
  const Client client = Client::connect(project.path().string());
  asio::io_context context;
  const auto strand = asio::make_strand(context);
  asio::cancellation_signal signal;
  std::vector<std::string> ends;
  std::optional<std::int64_t> sum;
  client.call(client.get<Counter>("a")->add(2),
              asio::bind_executor(strand, [&](std::exception_ptr error, std::int64_t value) {
                CHECK(strand.running_in_this_thread());
                CHECK_FALSE(error);
                sum = value;
                signal.emit(asio::cancellation_type::terminal);
                signal.emit(asio::cancellation_type::terminal);
              }));
  client.call(client.get<Relay>("r")->sleep_for_ms(20'000),
              asio::bind_cancellation_slot(signal.slot(), asio::bind_executor(strand, [&](std::exception_ptr error) {
                                             try {
                                               if (error) std::rethrow_exception(error);
                                               ends.emplace_back("it has ended");
                                             } catch (const epic::Cancelled& cancelled) {
                                               ends.emplace_back(cancelled.what());
                                             }
                                             signal.emit(asio::cancellation_type::terminal);  // too late
                                           })));
  context.run();  // both calls are its work
  CHECK(sum == 2);
  REQUIRE(ends.size() == 1);
  CHECK_THAT(ends[0], Catch::Contains("Relay/r.sleep_for_ms was cancelled by its caller"));
  CHECK(client.call(client.get<Counter>("a")->add(1), asio::use_future).get() == 3);
}

TEST_CASE("client: a callback that has a name is copied, and may be given to several calls", "[client][threads]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 1)};
  fabric.wait_for("ready 1 nodes");
  const Client client = Client::connect(project.path().string());
  asio::io_context context;
  const auto sums = std::make_shared<std::vector<std::int64_t>>();
  const auto counter = client.get<Counter>("a");
  auto keep = asio::bind_executor(context, [sums](std::exception_ptr error, std::int64_t value) {
    CHECK_FALSE(error);
    sums->push_back(value);
  });
  client.call(counter->add(1), keep);
  client.call(counter->add(1), keep);
  client.call(counter->add(1), std::move(keep));
  context.run();
  CHECK(*sums == std::vector<std::int64_t>{1, 2, 3});
}

TEST_CASE("client: an awaited call ends with Unavailable when the last Client is destroyed",
          "[client][threads][memory]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 1)};
  fabric.wait_for("ready 1 nodes");
  std::future<void> ended;
  {
    const Client client = Client::connect(project.path().string());
    ended = client.call(client.get<Relay>("r")->sleep_for_ms(60'000), asio::use_future);
  }
  CHECK_THROWS_AS(ended.get(), epic::Unavailable);
}
