# SPDX-License-Identifier: Apache-2.0
# Certificates good and bad, for the tests of every room, and as files for end-to-end tests.
add_library(culvert_test_certificates STATIC
  ${CMAKE_CURRENT_LIST_DIR}/../support/certificates.cc
  ${CMAKE_CURRENT_LIST_DIR}/../support/certificate_cases.cc)
target_include_directories(culvert_test_certificates
  PUBLIC ${CMAKE_CURRENT_LIST_DIR}/../support)
target_link_libraries(culvert_test_certificates
  PUBLIC culvert_crypto culvert_base PRIVATE culvert_flags boringssl_crypto)

add_executable(make_test_certificates
  ${CMAKE_CURRENT_LIST_DIR}/../support/make_test_certificates.cc)
target_link_libraries(make_test_certificates PRIVATE culvert_test_certificates culvert_flags)

culvert_unit_test(crypto_record_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/crypto_record_test.cc
                  USES crypto base)
culvert_unit_test(crypto_certificate_test
                  SOURCES ${CMAKE_CURRENT_LIST_DIR}/crypto_certificate_test.cc
                  USES culvert_test_certificates crypto base)
