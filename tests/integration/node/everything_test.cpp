// The module that uses all of the programming model, on four real nodes and after their restart.

#include <signal.h>

#include <catch2/catch.hpp>

#include "epic/client.hpp"
#include "integration/modules/everything.hpp"
#include "integration/node/real_fabric.hpp"

using epic::Client;
using epic::test::ProjectDirectory;
using epic::test::real_nodes;
using epic::test::Supervised;
using market::Item;
using market::Stall;
using town::Citizen;

TEST_CASE("everything: a module that uses the whole model works across four nodes, and after a restart",
          "[node][threads][memory]") {
  constexpr int kCitizens = 20;
  const ProjectDirectory project;
  std::vector<market::Receipt> receipts;
  std::map<std::string, Item> shelf;
  {
    Supervised fabric{project, "unused", real_nodes("everything", 4)};
    fabric.wait_for("event setup_done");
    const Client client = Client::connect(project.path().string());
    const auto stall = client.get<Stall>("square");
    for (int i = 0; i < kCitizens; ++i) {
      CHECK(client.call(client.get<Citizen>(i)->shop(stall, "apple")) == "bought apple");
      CHECK(client.call(client.get<Citizen>(i)->grow_older(i)) == i);
    }
    for (int i = 0; i < kCitizens; ++i) {
      CHECK(client.call(client.get<Citizen>(i)->shop(stall, "pear")) == "market::SoldOut: no pear left at square");
    }
    const std::int64_t years = kCitizens * (kCitizens - 1) / 2;
    CHECK(client.call(stall->celebrate()) == std::vector<std::int64_t>{kCitizens, 0, years + kCitizens});
    receipts = client.call(stall->receipts());
    shelf = client.call(stall->shelf());
    CHECK(receipts.size() == kCitizens);
    const auto look = [&](int citizen, const char* item, std::chrono::hours lately) {
      return client.call(client.get<Citizen>(citizen)->look(stall, item, lately));
    };
    for (int i = 0; i < kCitizens; ++i) CHECK(look(i, "apple", std::chrono::hours(1)) == shelf.at("apple"));
    client.call(stall->stock(std::vector<Item>{{.name = "apple", .count = 7, .quality = {}, .keeps_for = {}}}));
    for (int i = 0; i < kCitizens; ++i) {  // by now each of their nodes has a copy
      CHECK(look(i, "apple", std::chrono::hours(1)) == shelf.at("apple"));
      CHECK_FALSE(look(i, "pear", std::chrono::hours(1)));
    }
    for (int i = 0; i < kCitizens; ++i)
      CHECK(look(i, "apple", std::chrono::hours(0))->count == shelf.at("apple").count + 7);
    shelf = client.call(stall->shelf());
    CHECK(shelf.at("apple").count == 107 - kCitizens);
    for (int i = 0; i < kCitizens; ++i) CHECK(client.call(client.get<Citizen>(i)->appraise_bag()) > 0);
    for (int i = 0; i < 8; ++i)  // wherever the calls of a client run
      CHECK(client.call(client.get<market::Appraiser>(i)->appraise(std::vector<Item>{shelf.at("apple")})) ==
            2 * shelf.at("apple").count);
    CHECK_THROWS_AS(client.call(client.get<Citizen>(0)->pay(100)), std::domain_error);
    CHECK(client.call(stall->keep_books("open")) == std::vector<std::string>{"open"});
    const std::string long_line(3u << 20, 'x');
    CHECK(client.call(stall->keep_books(long_line)) == std::vector<std::string>{"open", long_line});
    CHECK(client.call(stall->keep_books("closed")) == std::vector<std::string>{"open", long_line, "closed"});
    fabric.signal(SIGTERM);
    CHECK(fabric.wait_for_end() == epic::cluster::kExitOk);
  }
  Supervised fabric{project, "unused", real_nodes("everything", 4)};
  fabric.wait_for("event setup_done");
  const Client client = Client::connect(project.path().string());
  const auto again = client.call(client.get<Stall>("square")->receipts());
  REQUIRE(again.size() == receipts.size());
  for (std::size_t i = 0; i < again.size(); ++i) {
    CHECK(again[i].buyer == receipts[i].buyer);
    CHECK(again[i].item == receipts[i].item);
    CHECK(again[i].paid_with == receipts[i].paid_with);
  }
  CHECK(client.call(client.get<Stall>("square")->shelf()) == shelf);
  CHECK(client.call(client.get<Stall>("square")->keep_books("again")) ==
        std::vector<std::string>{"open", std::string(3u << 20, 'x'), "closed", "again"});
  for (int i = 0; i < kCitizens; ++i) {
    CHECK(client.call(client.get<Citizen>(i)->purse()) == 7);
    CHECK(client.call(client.get<Citizen>(i)->age()) == i + 1);
  }
}
