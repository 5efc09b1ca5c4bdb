//! What the command prints: lists, files, help and errors, held by the transcripts under cmd/.

#[test]
fn the_command_prints_what_the_transcripts_show() {
    // With TRYCMD=overwrite the transcripts are written anew; read the difference before you commit it.
    // No transcript may fetch anything: below a file there can be no cache.
    trycmd::TestCases::new().env("GANVAS_CACHE", "/dev/null/cache").case("tests/cmd/*.trycmd");
}
