#include "http/appender.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::http {
namespace {

std::string letters(std::size_t size) {
    std::string text;
    for (std::size_t at = 0; at < size; ++at)
        text.push_back(static_cast<char>('a' + at * 7 % 26));
    return text;
}

TEST(Appender, CopiesTextsOfEverySizeAndNothingBehindThem) {
    for (std::size_t size = 0; size <= 40; ++size) {
        const std::string text = letters(size);
        std::string room(64, '.');
        EXPECT_EQ(copy(room.data() + 1, text), room.data() + 1 + size);
        EXPECT_EQ(room, "." + text + std::string(63 - size, '.')) << size;
    }
    std::string room(4, '.');
    EXPECT_EQ(copy(room.data(), std::string_view()), room.data());  // its data is null
    EXPECT_EQ(room, "....");
}

TEST(Appender, KeepsWhatTheStringHadAndItsOrderAtAnySize) {
    for (std::size_t size : {1U, 2047U, 2048U, 2049U, 5000U, 70000U}) {
        for (std::size_t before : {0U, 3U, 2046U, 2048U}) {
            std::string out = "had";
            Appender appender(out);
            appender.put(letters(before));
            appender.put(letters(size));
            appender.put(": ");
            appender.put(letters(size));
            appender.put("\r\n");
            appender.finish();
            EXPECT_EQ(out, "had" + letters(before) + letters(size) + ": " + letters(size) + "\r\n")
                << size << " after " << before;
        }
    }
}

TEST(Appender, AppendsNoMoreThanWasCommitted) {
    std::string out;
    Appender appender(out);
    char* const at = appender.claim(3000);
    appender.commit(copy(at, "abc"));
    appender.finish();
    EXPECT_EQ(out, "abc");
}

}  // namespace
}  // namespace weir::http
