"""Pictures other than digits: `photographs`, a learner's own `uploads`, 3-D `scenes`, and what is made of them.

`collage` and `cutouts` take pictures apart, `illusions` draws what people see, `physical` is what happens to a picture
between a wall and a camera, `optical_flow` goes from one view to the next.
"""
