# Compiler flags of every target of ours: link weir_flags.
add_library(weir_flags INTERFACE)
target_compile_options(weir_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wnon-virtual-dtor -Wold-style-cast
    -Wno-missing-field-initializers  # designated initialisers name what differs from the defaults
    -pthread
    $<$<NOT:$<CONFIG:Release>>:-fno-omit-frame-pointer>
    $<$<BOOL:${WEIR_WERROR}>:-Werror>)
target_link_libraries(weir_flags INTERFACE Threads::Threads Boost::headers)
# Asio: one library's worth of symbols, no deprecated names. Coroutines are for the main thread only.
target_compile_definitions(weir_flags INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_DATE_TIME)

if(WEIR_SANITIZE)
    target_compile_options(weir_flags INTERFACE -fsanitize=${WEIR_SANITIZE} -fno-sanitize-recover=all)
    target_link_options(weir_flags INTERFACE -fsanitize=${WEIR_SANITIZE})
    if(WEIR_SANITIZE MATCHES "thread")
        target_compile_options(weir_flags INTERFACE -Wno-tsan)
    endif()
endif()
if(WEIR_FUZZ)
    target_compile_options(weir_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(WEIR_COVERAGE)
    target_compile_options(weir_flags INTERFACE --coverage)
    target_link_options(weir_flags INTERFACE --coverage)
endif()

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # Precompiled headers and ccache agree only with these two.
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
        CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE})
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        add_compile_options(-fpch-preprocess)
    else()
        add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
    endif()
endif()
find_program(MOLD mold)
if(MOLD)
    add_link_options(-fuse-ld=mold)
endif()
