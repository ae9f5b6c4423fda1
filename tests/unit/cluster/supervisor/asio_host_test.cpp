#include "cluster/supervisor/asio_host.hpp"

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <catch2/catch.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "support/temp_dir.hpp"

using namespace epic::cluster;
using namespace std::chrono_literals;
using epic::test::TempDir;
namespace files = epic::files;

namespace {

struct AsioHostFixture {
  TempDir directory;
  files::Directory opened = files::Directory::open(directory.path()).value();
  boost::asio::io_context context;
  std::optional<AsioHost> host{std::in_place, context, opened};
  std::vector<std::string> events;

  Host::Task note(std::string what) {
    return [this, what = std::move(what)] { events.push_back(what); };
  }
  void wait_for(std::size_t count) {
    const auto guard = boost::asio::make_work_guard(context);
    while (events.size() < count)
      if (context.run_one_for(30s) == 0) FAIL("only " << events.size() << " of " << count << " events");
  }
};

}  // namespace

TEST_CASE("asio host: timers run in the order of their times, not of their starts", "[cluster]") {
  AsioHostFixture f;
  Timer late(*f.host);
  Timer soon(*f.host);
  late.expires_after(20ms, f.note("late"));
  soon.expires_after(1ms, f.note("soon"));
  f.wait_for(2);
  CHECK(f.events == std::vector<std::string>{"soon", "late"});
}

TEST_CASE("asio host: a timer that is cancelled, replaced or destroyed does not run, even if it was due", "[cluster]") {
  AsioHostFixture f;
  Timer cancelled(*f.host);
  Timer replaced(*f.host);
  auto destroyed = std::make_optional<Timer>(*f.host);
  cancelled.expires_after(0ms, f.note("cancelled"));
  replaced.expires_after(0ms, f.note("former"));
  destroyed->expires_after(0ms, f.note("destroyed"));
  Timer first(*f.host);
  first.expires_after(-1s, [&] {  // all are due when this runs
    cancelled.cancel();
    replaced.expires_after(0ms, f.note("replaced"));
    destroyed.reset();
  });
  f.wait_for(1);
  f.context.poll();
  CHECK(f.events == std::vector<std::string>{"replaced"});
}

TEST_CASE("asio host: a timer can be started again, and destroyed, by its own task", "[cluster]") {
  AsioHostFixture f;
  auto timer = std::make_optional<Timer>(*f.host);
  timer->expires_after(0ms, [&] {
    f.events.emplace_back("first");
    timer->expires_after(0ms, [&] {
      timer.reset();
      f.events.emplace_back("second");
    });
  });
  f.wait_for(2);
  CHECK(f.events == std::vector<std::string>{"first", "second"});
}

TEST_CASE("asio host: work beside runs on another thread, in order, and what follows it on this one",
          "[cluster][threads]") {
  AsioHostFixture f;
  const auto here = std::this_thread::get_id();
  std::vector<int> worked;  // ordered by the thread beside, and read after its end
  for (int i = 0; i < 3; ++i)
    f.host->run_beside(
        [&worked, i, here] { worked.push_back(std::this_thread::get_id() == here ? -1 : i); },
        [&f, i, here] { f.events.push_back(std::this_thread::get_id() == here ? std::to_string(i) : "elsewhere"); });
  f.wait_for(3);
  f.host.reset();
  CHECK(worked == std::vector<int>{0, 1, 2});
  CHECK(f.events == std::vector<std::string>{"0", "1", "2"});
}

TEST_CASE("asio host: its end waits for the work under way", "[cluster][threads]") {
  AsioHostFixture f;
  std::atomic<bool> is_begun = false;
  std::atomic<bool> may_end = false;
  bool is_done = false;
  f.host->run_beside(
      [&] {
        is_begun = true;
        is_begun.notify_all();
        may_end.wait(false);
        is_done = true;
      },
      [] {});
  is_begun.wait(false);
  std::thread letting_end([&] {
    may_end = true;
    may_end.notify_all();
  });
  f.host.reset();
  CHECK(is_done);
  letting_end.join();
}
