"""Reader studies: a blinded comparison of real and synthetic images, and its statistics.

`drawing` makes a study from two pools of images, `study` holds its secret key, `answers` reads the
files that readers send back, and `scoring` computes the result. `medpipe.report.reading_page`
writes the page that readers use.
"""
