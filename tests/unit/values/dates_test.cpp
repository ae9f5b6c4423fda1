#include "epic/values/dates.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <unordered_map>

#include "codec/conversion.hpp"
#include "support/values.hpp"

using namespace epic::test;
using namespace std::chrono;

namespace {

year_month_day dated(int y, unsigned m, unsigned d) { return {year(y), month(m), day(d)}; }

}  // namespace

TEST_CASE("dates: are written as calendars write them", "[codec]") {
  CHECK(schema_text<year_month_day>() == "time<date>");
  CHECK(to_json(dated(2024, 2, 29)) == R"("2024-02-29")");
  CHECK(to_json(dated(7, 1, 2)) == R"("0007-01-02")");
  CHECK(to_json(dated(-44, 3, 15)) == R"("-0044-03-15")");
  CHECK(to_json(dated(12345, 1, 1)) == R"("+12345-01-01")");
  CHECK(from_json<year_month_day>(R"("2024-02-29")") == dated(2024, 2, 29));
  CHECK(from_json<year_month_day>(R"("2024-02-29T00:00:00Z")") == dated(2024, 2, 29));
}

TEST_CASE("dates: every day from the first year to the last comes back", "[codec]") {
  for (sys_days at = year::min() / 1 / 1; at <= sys_days(year::max() / 12 / 31); at += days(9973)) {
    const year_month_day date = at;
    REQUIRE(there_and_back(date) == date);
    REQUIRE(read_as<sys_days>(date) == at);
    REQUIRE(read_as<year_month_day>(at) == date);
  }
  CHECK(there_and_back(year::min() / 1 / 1) == year::min() / 1 / 1);
  CHECK(there_and_back(year::max() / 12 / 31) == year::max() / 12 / 31);
}

TEST_CASE("dates: what is not a date keeps its value", "[codec]") {
  CHECK(to_json(year_month_day{}) == R"({"year":0,"month":0,"day":0})");
  CHECK(to_json(dated(2023, 2, 30)) == R"({"year":2023,"month":2,"day":30})");
  for (const year_month_day odd : {year_month_day{}, dated(2023, 2, 29), dated(2023, 13, 1), dated(-32767, 255, 255),
                                   dated(32767, 0, 0), dated(-32768, 1, 1)})
    CHECK(there_and_back(odd) == odd);
}

TEST_CASE("dates: a text that is not a date is refused", "[codec]") {
  CHECK_THROWS_WITH(from_json<year_month_day>(R"("2023-02-30")"),
                    R"(: expected a date such as "2023-11-14", got the string "2023-02-30")");
  CHECK_THROWS_WITH(from_json<std::vector<year_month_day>>(R"(["2023-02-03","soon"])"),
                    R"([1]: expected a date such as "2023-11-14", got the string "soon")");
  for (const char* bad : {"7", "null", R"("2023-02-03T12:00:00Z")", R"("2023-02-03T00:00:00+01:00")",
                          R"("+40000-01-01")", R"({"year":2023,"month":2})", R"({"year":2023,"month":256,"day":1})",
                          R"({"year":40000,"month":1,"day":1})", R"({"year":2023,"month":2,"day":1.5})"})
    CHECK_THROWS_WITH(from_json<year_month_day>(bad), Catch::Contains("expected a date"));
}

TEST_CASE("dates: are sorted as days are, and can be keys", "[codec]") {
  const std::map<year_month_day, int> by_day{{dated(-1, 12, 31), 1}, {dated(0, 1, 1), 2}, {dated(2024, 2, 29), 3}};
  CHECK(to_json(by_day) == R"([["-0001-12-31",1],["0000-01-01",2],["2024-02-29",3]])");
  CHECK(there_and_back(by_day) == by_day);
  CHECK(from_json<std::map<year_month_day, int>>(R"({"2024-02-29":3})").begin()->first == dated(2024, 2, 29));
  CHECK(epic::reflect::date_count(dated(-1, 12, 31)) > epic::reflect::date_count(dated(-2, 1, 1)));
}

TEST_CASE("dates: become times and times become dates, if they are midnights", "[codec]") {
  CHECK(read_as<sys_seconds>(dated(1970, 1, 2)) == sys_seconds(hours(24)));
  CHECK(read_as<year_month_day>(sys_seconds(hours(-24))) == dated(1969, 12, 31));
  CHECK_THROWS_WITH(read_as<year_month_day>(sys_seconds(hours(25))),
                    Catch::Contains(R"(time<date> cannot hold "1970-01-02T01:00:00Z")"));
  CHECK_THROWS_WITH(read_as<sys_days>(dated(2023, 2, 30)),
                    Catch::Contains(R"(cannot hold {"year":2023,"month":2,"day":30}: it is not a date)"));
  CHECK_THROWS_WITH(read_as<year_month_day>(sys_days::max()), Catch::Contains("time<date> cannot hold"));
  CHECK_THROWS_WITH(read_as<system_clock::time_point>(dated(12345, 1, 1)), Catch::Contains("time cannot hold"));

  const auto written = epic::reflect::schema_of(epic::reflect::type_of<sys_days>());
  const auto conversion = epic::codec::examine(written, epic::reflect::type_of<year_month_day>());
  CHECK(conversion.changes.empty());
  CHECK(conversion.depends_on_values);
}

TEST_CASE("dates: only a time is one in a schema, and types of that name stay types", "[codec]") {
  using epic::reflect::Schema;
  CHECK(Schema::parse("map<time<date>, time<d>>")->text() == "map<time<date>, time<d>>");
  CHECK_FALSE(Schema::parse("duration<date>").has_value());
  CHECK_FALSE(Schema::parse("time<date, uint64>").has_value());
  CHECK(Schema::parse("date\nrecord date { year: int32 }")->text() == "date\nrecord date { year: int32 }");
}
