#pragma once

#include "weir/http/h2.hpp"

#include "http/h2_block.hpp"
#include "http/h2_guard.hpp"
#include <nghttp2/nghttp2.h>

#include <string>
#include <string_view>
#include <vector>

namespace weir::http {

[[nodiscard]] inline std::string_view to_text(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

// Of one header block.
inline constexpr std::uint32_t kMostContinuations = 8;

// A session of the library, and what it calls: translation, and the accounts of H2Guard.
struct H2Codec::Impl {
    Impl(Side which, const H2Limits& from, H2Scratch& shared, H2Events& told)
        : side(which),
          limits(from),
          scratch(shared),
          events(told),
          block(limits, scratch),
          guard(limits) {}
    ~Impl() { nghttp2_session_del(session); }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    static Impl& of(void* user) { return *static_cast<Impl*>(user); }
    [[nodiscard]] H2Stream* find(std::int32_t id) const {
        return static_cast<H2Stream*>(nghttp2_session_get_stream_user_data(session, id));
    }

    void start();
    void touch() {
        if (!std::exchange(is_touched, true)) events.on_output();
    }
    void fault(H2Fault what);
    void count_headers();
    void end_with(std::uint32_t code);
    void open_id(std::int32_t id);
    [[nodiscard]] bool is_skipped(std::int32_t id) const {
        return id >= first_skipped && id < past_skipped && !is_terminated;
    }
    void finish_head(const nghttp2_frame& frame);
    void finish_request(H2Stream& stream, bool is_whole);
    void finish_response(H2Stream& stream, bool is_whole);
    void finish_trailers(H2Stream& stream);
    void set_request(std::string_view head, std::string_view scheme, std::string_view host);
    [[nodiscard]] bool submit_request(H2Stream& stream, bool ends);
    void submit(H2Stream& stream, std::string_view head, bool ends, bool is_interim);
    std::string_view set_fields(std::string_view lines);
    void to_pairs();
    void clear_waiting(H2Stream& stream);
    void tell_drained();

    // ---- what the library calls
    static int on_begin_frame(nghttp2_session*, const nghttp2_frame_hd*, void*);
    static int on_begin_headers(nghttp2_session*, const nghttp2_frame*, void*);
    static int on_header(nghttp2_session*,
                         const nghttp2_frame*,
                         const std::uint8_t*,
                         std::size_t,
                         const std::uint8_t*,
                         std::size_t,
                         std::uint8_t,
                         void*);
    static int on_invalid_header(nghttp2_session*,
                                 const nghttp2_frame*,
                                 const std::uint8_t*,
                                 std::size_t,
                                 const std::uint8_t*,
                                 std::size_t,
                                 std::uint8_t,
                                 void*);
    static int on_frame(nghttp2_session*, const nghttp2_frame*, void*);
    static int on_data(
        nghttp2_session*, std::uint8_t, std::int32_t, const std::uint8_t*, std::size_t, void*);
    static int on_close(nghttp2_session*, std::int32_t, std::uint32_t, void*);
    static int on_not_sent(nghttp2_session*, const nghttp2_frame*, int, void*);
    static int on_sent(nghttp2_session*, const nghttp2_frame*, void*);
    static int send_data(nghttp2_session*,
                         nghttp2_frame*,
                         const std::uint8_t*,
                         std::size_t,
                         nghttp2_data_source*,
                         void*);
    static ssize_t read_data(nghttp2_session*,
                             std::int32_t,
                             std::uint8_t*,
                             std::size_t,
                             std::uint32_t*,
                             nghttp2_data_source*,
                             void*);

    const Side side;
    const H2Limits limits;
    H2Scratch& scratch;
    H2Events& events;
    H2Block block;
    H2Guard guard;
    nghttp2_session* session = nullptr;
    std::string out;
    std::vector<H2Field> fields;
    std::vector<nghttp2_nv> pairs;
    std::vector<H2Stream*> drained;
    std::int32_t last_id = -1;
    std::int32_t first_skipped = 0;
    std::int32_t past_skipped = 0;
    std::uint32_t new_streams = 0;    // in this turn
    std::uint32_t continuations = 0;  // of the header block that is being read
    bool is_in_head = false;
    bool is_block_counted = false;  // among the faults
    bool is_paused = false;
    bool is_busy = false;  // inside the library
    bool is_blocked = false;
    bool is_touched = false;
    bool is_terminated = false;
    bool is_dead = false;
};

}  // namespace weir::http
